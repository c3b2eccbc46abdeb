// Runs go test and says how many tests passed, failed and were skipped:
//
//   node tools/gotest.mjs [go test arguments …]
//
// Prints the output of what failed, the reasons of what was skipped, the
// slowest packages and the counts. Subtests count, their parents do not.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const child = spawn("go", ["test", "-json", ...process.argv.slice(2)], { stdio: ["ignore", "pipe", "pipe"] });
const tests = new Map(); // "package test" → output, then outcome
const packages = new Map();
const parents = new Set();
let loose = ""; // what is not JSON, such as errors of the go command

for await (const line of createInterface({ input: child.stdout })) {
  let e;
  try {
    e = JSON.parse(line);
  } catch {
    loose += line + "\n";
    continue;
  }
  if (e.Action === "build-output") loose += e.Output;
  else if (e.Package) note(e.Test ? tests : packages, e);
}
child.stderr.on("data", (d) => (loose += d));
const code = await new Promise((done) => (child.exitCode === null ? child.on("close", done) : done(child.exitCode)));

const counts = { pass: 0, fail: 0, skip: 0 };
for (const [key, t] of tests) {
  if (parents.has(key) && t.outcome !== "fail") continue;
  counts[t.outcome ?? "fail"]++;
  if (t.outcome === "skip") console.log(`SKIP ${key}: ${reason(t.output)}`);
  else if (t.outcome !== "pass") console.log(`\nFAIL ${key}\n${t.output}`);
}
for (const [name, p] of packages) {
  if (p.outcome !== "fail") continue;
  if (![...tests].some(([key, t]) => key.startsWith(name + " ") && t.outcome !== "pass" && t.outcome !== "skip")) counts.fail++;
  console.log(`\nFAIL ${name}\n${p.output}`);
}
if (code !== 0) console.log(loose);
if (code !== 0 && !counts.fail) counts.fail++;

const slow = [...packages].sort((a, b) => b[1].elapsed - a[1].elapsed).slice(0, 5);
for (const [name, p] of slow) console.log(`  ${String(p.elapsed.toFixed(1)).padStart(6)} s  ${name}`);
console.log(`${counts.pass} passed, ${counts.fail} failed, ${counts.skip} skipped`);
process.exit(counts.fail ? 1 : 0);

function note(all, e) {
  const key = e.Test ? `${e.Package} ${e.Test}` : e.Package;
  if (!all.has(key)) all.set(key, { output: "", elapsed: 0 });
  const it = all.get(key);
  if (e.Action === "output") it.output += e.Output;
  if (["pass", "fail", "skip"].includes(e.Action)) Object.assign(it, { outcome: e.Action, elapsed: e.Elapsed ?? 0 });
  const slash = e.Test?.lastIndexOf("/") ?? -1;
  if (slash > 0) parents.add(`${e.Package} ${e.Test.slice(0, slash)}`);
}

function reason(output) {
  const lines = output.split("\n").filter((l) => l && !/^(=== |--- )/.test(l.trim()));
  return lines.at(-1)?.trim() ?? "no reason given";
}
