// Runs the suite against Roomwire (default) or the official server:
//
//   node run.mjs [go|node] [file …]
//
// With E2E_RACE=1 the Go servers are built with the race detector. Prints a
// line per file, each failure in full, and counts; exits 1 on any failure.
import { run } from "node:test";
import { execFileSync } from "node:child_process";
import { readdirSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const args = process.argv.slice(2);
const target = ["go", "node"].includes(args[0]) ? args.shift() : (process.env.TARGET ?? "go");
process.env.TARGET = target;
if (target === "go") build();

// What is in durable kills the server, which has a store of its own.
const files = (target === "go" ? ["test", "durable"] : ["test"]).flatMap((dir) =>
  readdirSync(join(here, dir))
    .filter((f) => f.endsWith(".test.mjs") && (!args.length || args.some((a) => f.startsWith(a))))
    .map((f) => join(here, dir, f)));
const counts = { pass: 0, fail: 0, skip: 0 };
const failures = [];
const skips = [];
const path = []; // names of the suites around the test that runs
const started = Date.now();
let file, own, since;

const stream = run({ files, concurrency: 1, timeout: 300_000 });
stream.on("test:start", (e) => path.splice(e.nesting, Infinity, e.name));
stream.on("test:pass", (e) => {
  count(e, e.skip === undefined ? "pass" : "skip");
  if (e.skip !== undefined) skips.push(`SKIP ${path.join(" › ")}: ${e.skip}`);
});
stream.on("test:fail", (e) => count(e, "fail"));
stream.on("test:stderr", (e) => process.stderr.write(e.message));
stream.resume();
await new Promise((done) => stream.on("end", done));
line();

for (const s of skips) console.log(s);
for (const f of failures) report(f);
const { pass, fail, skip } = counts;
console.log(`e2e ${target}: ${pass} passed, ${fail} failed, ${skip} skipped in ${seconds(started)}`);
process.exit(fail || !pass ? 1 : 0);

// Counts tests, not the suites that hold them. A suite counts only when it
// failed by itself, as by a hook of its own.
function count(event, outcome) {
  const holder = event.details.type === "suite" || files.includes(event.name);
  const hollow = event.details.error?.failureType === "subtestsFailed";
  if (holder && (outcome !== "fail" || hollow)) return;
  if (!holder && event.file !== file) {
    line();
    [file, own, since] = [event.file, { pass: 0, fail: 0, skip: 0 }, Date.now() - (event.details.duration_ms ?? 0)];
  }
  counts[outcome]++;
  if (own) own[outcome]++;
  if (outcome === "fail") failures.push({ ...event, name: [...path.slice(0, event.nesting), event.name].join(" › ") });
}

function line() {
  if (!file) return;
  const { pass, fail, skip } = own;
  console.log(`  ${basename(file).padEnd(24)} ${pass} passed, ${fail} failed, ${skip} skipped in ${seconds(since)}`);
}

function report({ name, file, line, details }) {
  const cause = details.error?.cause ?? details.error;
  const status = typeof cause?.description === "number" ? ` (HTTP status ${cause.description})` : "";
  console.log(`\nFAIL ${basename(file ?? "")}:${line ?? ""} ${name}${status}\n${indent(cause?.stack ?? String(cause))}`);
}

function indent(text) {
  return text.split("\n").slice(0, 25).map((l) => `     ${l}`).join("\n");
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

function build() {
  const out = join(here, "..", "bin", "e2e");
  mkdirSync(out, { recursive: true });
  const race = process.env.E2E_RACE === "1" ? ["-race"] : [];
  for (const [name, pkg] of [["E2E_FIXTURE", "./conformance/server"], ["E2E_EXTRA", "./e2e/server"],
    ["E2E_DURABLE", "./e2e/durable/server"], ["E2E_PARCELS", "./examples/parcels"]]) {
    process.env[name] = join(out, name.toLowerCase());
    execFileSync("go", ["build", ...race, "-o", process.env[name], pkg], { cwd: join(here, ".."), stdio: "inherit" });
  }
}
