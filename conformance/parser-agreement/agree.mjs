// Gives the same messages to this parser and to socket.io-parser from npm:
//
//   node conformance/parser-agreement/agree.mjs [--seed N] [--n 200000]
//
// What this parser takes, npm must take too, and find the same in it. What npm
// takes and this parser refuses must be one of the reasons below.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const e2e = createRequire(join(root, "e2e/package.json"));
let Decoder, version;
try {
  const socketio = createRequire(e2e.resolve("socket.io"));
  ({ Decoder } = socketio("socket.io-parser"));
  version = JSON.parse(readFileSync(join(dirname(socketio.resolve("socket.io-parser")), "../../package.json"), "utf8")).version;
} catch (err) {
  console.error("socket.io-parser is not installed: run npm ci in e2e first\n" + err.message);
  process.exit(1);
}

const option = (name, def) => {
  const i = process.argv.indexOf(name);
  return i < 0 ? def : Number(process.argv[i + 1]);
};
const seed = option("--seed", 1);
const count = option("--n", 200000);

// Where npm is more lenient, on purpose or not. "head" is the packet before its payload.
const lenient = {
  "white space, or nothing, is no type": (m) => /^(\s|$)/.test(m[0]),
  "an event or acknowledgement needs a payload": (m) => /^([23]|[56]\d+-)(\/[^,]*,?)?\s*\d*$/.test(m[0]),
  "white space is no acknowledgement ID": (m) => /^\d(\d*-)?(\/[^,]*,)?[\d\s\uFEFF]*[\s\uFEFF]/.test(m[0]),
  "a number of attachments has digits alone": (m) => /^[56]/.test(m[0]) && !/^[56][1-9]\d*-/.test(m[0]),
  "an acknowledgement ID fits 53 bits": (m) => /^\d(\d*-)?(\/[^,]*,)?0*\d{16,}/.test(m[0]),
  "every attachment is used once, by a placeholder with its number": (m) => /^[56]/.test(m[0]) || m.some((x) => typeof x !== "string"),
  "nesting ends at 512": (m) => deep(m[0]) > 512,
  "CONNECT_ERROR says why": (m) => /^4(\/[^,]*,?)?\d*$/.test(m[0]),
};

function deep(s) {
  let d = 0, most = 0;
  for (const c of s) {
    if (c === "[" || c === "{") most = Math.max(most, ++d);
    else if (c === "]" || c === "}") d--;
  }
  return most;
}

// A small generator of random numbers, the same everywhere.
function random(a) {
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const rnd = random(seed);
const pick = (a) => a[Math.floor(rnd() * a.length)];

const ph = (n) => `{"_placeholder":true,"num":${n}}`;
const seeds = [
  ["0"], ['0{"token":"123"}'], ["0/admin,"], ["0/admin"], ['0/admin,{"a":1}'], ["1"], ["1/admin"], ["1/admin,"], ['2["echo",1,"a",null]'], ['2/a,12["echo",{"a":[1.5e-3,true]}]'],
  ['37["x"]'], ["3[]"], ['4{"message":"no"}'], ['4"no"'], [`51-["echo",${ph(0)}]`, { b: "AQID" }], [`62-7[${ph(1)},[${ph(0)}]]`, { b: "AA==" }, { b: "" }],
  ['2["\\u0063onnect"]'], ["2[-0.5E+7]"], ['2 [ "a" , "\\ud83d\\ude00" ] '], ['2["a",{"__proto__":1}]'], ['2[{"toString":"foo"}]'], ['2["connect"]'], ["2{}"], ["2[]"], ["2[null]"], ["2abc"], ["2["], ["2"], ["3"],
  ['21x["e"]'], ['2-1["e"]'], ['50-["x"]'], ['511-["x"]'], ['51.5-["x"]'], ['5a-["x"]'], ['5-["x"]'], ['51["x"]'], ['45999999999-["x"]'],
  ['51-["e",{"_placeholder":true,"num":"splice"}]', { b: "AA==" }], [`51-["e",${ph(10)}]`, { b: "AA==" }], ['51-["e",{"_placeholder":true,"num":-1}]', { b: "AA==" }],
  ['51-["e",{"_placeholder":true}]', { b: "AA==" }], [{ b: "AA==" }], [`51-["e",${ph(0)}]`, '2["e"]'], ["9"], ["z"], [""], ['0"abc"'], ["0[]"], ["0null"], ["0{"], ['2["a"]'.repeat(2)],
  ["2" + "[".repeat(600) + '"a"' + "]".repeat(600)], ['2["a",' + "[".repeat(511) + "]".repeat(511) + "]"], ['2/é,9007199254740993["a"]'], ['2["a",1e999]'], ['2["a",-0]'], ['2["a","\\u0000\\ud800"]'], ['2[01]'], ['2["a",]'], ['2["\t"]'],
];

// Inputs that a fuzzer of the Go parser kept.
function kept() {
  const all = [];
  for (const target of ["FuzzDecode", "FuzzDecodeSequence"]) {
    const dir = join(root, "parser/testdata/fuzz", target);
    for (const name of existsSync(dir) ? readdirSync(dir) : []) {
      const m = /^string\((".*")\)$/m.exec(readFileSync(join(dir, name), "utf8"));
      if (m && !/\\[xaUv]/.test(m[1])) all.push([JSON.parse(m[1])]);
    }
  }
  return all;
}

const bits = ['"', "[", "]", "{", "}", ",", ":", "/", "-", "1", "0", "9", " ", "\\", "\\u", "e", "true", "null", "_placeholder", "num", "connect", '"a"', "1.5", "é", "😀", "\u0001", "\u2028", "__proto__"];
function mutate(messages) {
  const out = messages.map((m) => ({ m }));
  for (let n = 1 + Math.floor(rnd() * 3); n > 0; n--) {
    const i = Math.floor(rnd() * out.length);
    if (typeof out[i].m !== "string") {
      if (rnd() < 0.2) out.splice(i, rnd() < 0.5 ? 0 : 1, { m: { b: "Bw==" } });
      if (out.length === 0) out.push({ m: "" });
      continue;
    }
    const s = out[i].m, at = Math.floor(rnd() * (s.length + 1)), len = Math.floor(rnd() * 4);
    switch (Math.floor(rnd() * 5)) {
      case 0: out[i].m = s.slice(0, at) + s.slice(at + len); break;
      case 1: out[i].m = s.slice(0, at) + pick(bits) + s.slice(at); break;
      case 2: out[i].m = s.slice(0, at) + pick(bits) + s.slice(at + len); break;
      case 3: { const o = pick(pick(seeds)); if (typeof o === "string") out[i].m = s.slice(0, at) + o.slice(Math.floor(rnd() * o.length)); break; }
      case 4: if (rnd() < 0.3) out.push({ m: rnd() < 0.7 ? { b: "/wA=" } : pick(pick(seeds)) }); else out[i].m = pick("0123456") + s.slice(1); break;
    }
  }
  // As they would come over a transport: UTF-8, without lone surrogates.
  return out.map(({ m }) => (typeof m === "string" ? Buffer.from(m, "utf8").toString("utf8") : m));
}

function theirs(messages) {
  const d = new Decoder();
  const packets = [];
  d.on("decoded", (p) => packets.push(p));
  try {
    for (const m of messages) d.add(typeof m === "string" ? m : Buffer.from(m.b, "base64"));
  } catch (err) {
    return { error: err.message, packets };
  }
  return { packets };
}

// revive puts the attachments in their places, as npm does.
function revive(v, attachments) {
  if (v && v._placeholder === true && attachments) return Buffer.from(attachments[v.num], "base64");
  if (Array.isArray(v)) return v.map((x) => revive(x, attachments));
  if (v && typeof v === "object" && attachments) for (const k of Object.keys(v)) v[k] = revive(v[k], attachments);
  return v;
}

// White space before the payload belongs to it here; npm reads it as the ID 0.
const blank = /^\d(\d*-)?(\/[^,]*,)?\d*[\s\uFEFF]/;
const same = (a, b, head) =>
  a.type === b.type && a.nsp === b.nsp && (a.id === b.id || blank.test(head)) &&
  isDeepStrictEqual(a.data === "" ? undefined : revive(JSON.parse(a.data), a.attachments), b.data);

const corpus = [...seeds.map((s) => s.map((m) => (typeof m === "string" ? Buffer.from(m).toString() : m))), ...kept()];
const known = corpus.length;
while (corpus.length < count) corpus.push(mutate(pick(corpus.slice(0, known + (corpus.length - known) / 4))));

const ours = execFileSync("go", ["run", "./conformance/parser-agreement"], {
  cwd: root, input: corpus.map((c) => JSON.stringify(c)).join("\n") + "\n", maxBuffer: 1 << 30,
}).toString().split("\n");

let agreed = 0, failed = 0;
const stricter = {};
for (const [i, messages] of corpus.entries()) {
  const a = JSON.parse(ours[i]), b = theirs(messages);
  a.packets ??= [];
  let problem = "";
  for (const [k, p] of a.packets.entries()) {
    if (k >= b.packets.length || !same(p, b.packets[k], messages[lastHeader(messages, k)])) problem = `packet ${k} differs`;
  }
  if (!problem && !a.error && b.error) problem = "npm refuses it";
  if (!problem && a.error && (!b.error || b.packets.length > a.packets.length)) {
    const at = messages.slice(lastHeader(messages, a.packets.length));
    const why = Object.entries(lenient).find(([, is]) => typeof at[0] === "string" && is(at));
    if (why) { stricter[why[0]] = (stricter[why[0]] ?? 0) + 1; continue; }
    problem = "refused for no known reason: " + a.error;
  }
  if (!problem) { agreed++; continue; }
  if (++failed <= 20) console.error(`${problem}\n  input ${JSON.stringify(messages).slice(0, 300)}\n  here  ${JSON.stringify(a).slice(0, 300)}\n  npm   ${JSON.stringify(b).slice(0, 300)}`);
}

// lastHeader is where the packet begins that comes after n whole ones.
function lastHeader(messages, n) {
  let i = 0;
  for (; n > 0; n--) for (i++; i < messages.length && typeof messages[i] !== "string"; i++);
  return i;
}

console.log(`socket.io-parser ${version}, seed ${seed}: ${corpus.length} inputs, ${agreed} judged alike, ${failed} not`);
for (const [why, n] of Object.entries(stricter)) console.log(`  ${String(n).padStart(7)} stricter here: ${why}`);
process.exit(failed ? 1 : 0);
