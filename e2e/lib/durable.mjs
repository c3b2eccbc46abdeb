// A server with a store, which can be killed and started again at its address.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Durable {
  /** Starts the program that an environment variable names, in a new directory. */
  static async start(variable, flags = {}) {
    const bin = process.env[variable];
    if (!bin) throw new Error(`no ${variable}: run the suite with run.mjs`);
    const d = Object.assign(new Durable(), { bin, flags, dir: mkdtempSync(join(tmpdir(), "roomwire-durable-")), starts: 0 });
    await d.spawn("127.0.0.1:0");
    return d;
  }

  async spawn(addr) {
    const args = Object.entries({ addr, data: join(this.dir, "data"), ...this.flags }).map(([k, v]) => `-${k}=${v}`);
    this.child = spawn(this.bin, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.gone = once(this.child, "exit");
    this.output = "";
    this.url = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${this.bin} was not ready after 20 s\n${this.output}`)), 20_000);
      const read = (chunk) => {
        this.output = (this.output + chunk).slice(-20_000);
        const found = /http:\/\/[\d.:]+/.exec(this.output);
        if (!found) return;
        clearTimeout(late);
        resolve(found[0]);
      };
      this.child.stdout.on("data", read);
      this.child.stderr.on("data", read);
      this.child.once("exit", (code, signal) => reject(new Error(`${this.bin} exited with ${code ?? signal}\n${this.output}`)));
    });
    this.starts++;
  }

  /** kill -9. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.gone;
  }

  /** Starts it again on the same data, at the same address. */
  async restart() {
    await this.spawn(new URL(this.url).host);
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGTERM");
      const guard = setTimeout(() => this.child.kill("SIGKILL"), 10_000);
      await this.gone;
      clearTimeout(guard);
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}
