// Starts the server under test. TARGET=go runs our two fixtures, TARGET=node
// runs the official server with the same events and the same flags, which is
// how the suite itself is proven.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { once } from "node:events";

export const target = process.env.TARGET ?? "go";
if (!["go", "node"].includes(target)) throw new Error(`TARGET is ${target}, want go or node`);

const nodeServer = fileURLToPath(new URL("../node-server.mjs", import.meta.url));

// The programs by target and kind. "fixture" is conformance/server; "extra" is
// e2e/server, which offers what the fixture does not.
function program(kind) {
  if (target === "node") return [process.execPath, [nodeServer]];
  const bin = kind === "fixture" ? process.env.E2E_FIXTURE : process.env.E2E_EXTRA;
  if (!bin) throw new Error(`no ${kind} binary: run the suite with run.mjs`);
  return [bin, kind === "fixture" ? ["-debug="] : []];
}

class Server {
  constructor(kind, child, url) {
    Object.assign(this, { kind, child, url, port: Number(new URL(url).port) });
  }

  /** Ends the process and waits for it: SIGTERM shuts down, SIGKILL cuts. */
  async stop(signal = "SIGTERM") {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill(signal);
    const guard = setTimeout(() => this.child.kill("SIGKILL"), 10_000);
    await gone;
    clearTimeout(guard);
  }
}

/** Starts a server; flags are those of conformance/server, such as { recovery: true, "ping-interval": "300ms" }. */
export async function start(kind = "fixture", flags = {}) {
  const [bin, args] = program(kind);
  const all = { addr: "127.0.0.1:0", ...flags };
  const list = Object.entries(all).map(([name, value]) => `-${name}=${value}`);
  const child = spawn(bin, [...args, ...list], { stdio: ["ignore", "pipe", "pipe"] });
  const url = await ready(child, bin);
  return new Server(kind, child, url);
}

// The first line that holds a URL says that the server is ready. What the
// server prints later is kept and shown only when it dies of itself.
function ready(child, bin) {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => fail("was not ready after 20 s"), 20_000);
    const fail = (why) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`${bin} ${why}\n${text}`));
    };
    const read = (chunk) => {
      text = (text + chunk).slice(-20_000);
      const found = /https?:\/\/[\d.:]+/.exec(text);
      if (found) {
        clearTimeout(timer);
        resolve(found[0]);
      }
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", (err) => fail(err.message));
    child.on("exit", (code, signal) => {
      if (code) process.stderr.write(`${bin} exited with ${code}\n${text}\n`);
      fail(`exited with ${code ?? signal}`);
    });
  });
}
