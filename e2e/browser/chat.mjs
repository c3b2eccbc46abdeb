// Starts `roomwire dev` (or takes the server at CHAT_URL) and drives its page.
import { spawn, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The demo server: url, output so far, stop(), restart(). */
export class Dev {
  output = "";

  static async start({ addr = "127.0.0.1:0", log = "logfmt" } = {}) {
    const dev = new Dev();
    if (process.env.CHAT_URL) {
      dev.url = process.env.CHAT_URL;
      return dev;
    }
    const bin = join(root, "bin", "e2e", "roomwire");
    mkdirSync(join(root, "bin", "e2e"), { recursive: true });
    execFileSync("go", ["build", "-o", bin, "./cmd/roomwire"], { cwd: root, stdio: "inherit" });
    Object.assign(dev, { bin, log, data: mkdtempSync(join(tmpdir(), "roomwire-data-")) });
    await dev.spawn(addr);
    return dev;
  }

  async spawn(addr) {
    this.child = spawn(this.bin, ["dev", "--addr", addr, "--log", this.log, "--data", this.data], { stdio: ["ignore", "pipe", "pipe"] });
    this.url = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`roomwire dev was not ready after 20 s\n${this.output}`)), 20_000);
      const from = this.output.length;
      const read = (chunk) => {
        this.output += chunk;
        const found = /https?:\/\/[\w.]+:\d+/.exec(this.output.slice(from));
        if (!found) return;
        clearTimeout(timer);
        resolve(found[0]);
      };
      this.child.stdout.on("data", read);
      this.child.stderr.on("data", read);
      this.child.once("exit", (code) => reject(new Error(`roomwire dev exited with ${code}\n${this.output}`)));
    });
  }

  /** Ends the server; with "SIGKILL", as a crash does. */
  async end(signal) {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill(signal);
    await gone;
  }

  /** Ends the server and forgets what it kept. */
  async stop() {
    await this.end("SIGTERM");
    if (this.data) rmSync(this.data, { recursive: true, force: true });
  }

  /** Ends the server and starts it again at the same address. */
  async restart(whileDown, signal = "SIGTERM") {
    const { port } = new URL(this.url);
    await this.end(signal);
    await whileDown();
    await this.spawn(`127.0.0.1:${port}`);
  }
}

/** A Chromium with a new profile. */
export async function browser(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), "roomwire-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1100, height: 680 },
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
    ...options,
  });
  context.setDefaultTimeout(10_000);
  const close = context.close.bind(context);
  context.close = async () => {
    await close();
    rmSync(profile, { recursive: true, force: true });
  };
  return context;
}

/** One tab of the chat. The page's contract is its data-testid attributes. */
export class Tab {
  errors = [];
  hosts = new Set();
  sockets = 0;

  static async open(context, url) {
    const tab = new Tab();
    tab.page = await context.newPage();
    tab.page.on("pageerror", (err) => tab.errors.push(err.message));
    tab.page.on("console", (m) => m.type() === "error" && tab.errors.push(m.text()));
    tab.page.on("request", (r) => tab.note(r.url()));
    tab.page.on("websocket", (ws) => {
      tab.sockets++;
      tab.note(ws.url());
    });
    await tab.page.goto(url);
    await tab.status(/^connected/);
    return tab;
  }

  note(url) {
    const { protocol, host } = new URL(url);
    if (protocol !== "data:") this.hosts.add(host);
  }

  of = (id) => this.page.getByTestId(id);

  async nick(name) {
    await this.page.bringToFront(); // a page in the background is slow to click
    await this.of("nick-input").fill(name);
    await this.of("nick-save").click();
  }

  async enter(room) {
    await this.page.bringToFront();
    await this.of("room-input").fill(room);
    await this.of("room-join").click();
  }

  async say(text) {
    await this.page.bringToFront();
    await this.of("message-input").fill(text);
    await this.of("send").click();
  }

  /** Presses key after key, as people do. */
  async type(text) {
    await this.page.bringToFront();
    await this.of("message-input").pressSequentially(text, { delay: 30 });
  }

  /** Waits until the text of the element fits. */
  async shows(id, pattern) {
    await this.until(() => this.of(id).innerText(), (text) => pattern.test(text), `${id} to match ${pattern}`);
  }

  status = (pattern) => this.shows("status", pattern);

  /** Waits until the list's items are exactly these, in order. */
  async lists(id, want) {
    const same = (got) => JSON.stringify(got) === JSON.stringify(want);
    await this.until(() => this.items(id), same, `${id} to list ${JSON.stringify(want)}`);
  }

  items = (id) => this.of(id).locator("li").allInnerTexts();

  /** Waits until some message holds the text. */
  async hears(text) {
    await this.until(() => this.items("messages"), (all) => all.some((m) => m.includes(text)), `a message ${text}`);
  }

  async until(read, good, what) {
    let last;
    const end = Date.now() + 10_000;
    while (Date.now() < end) {
      last = await read();
      if (good(last)) return;
      await new Promise((again) => setTimeout(again, 25));
    }
    throw new Error(`waited 10 s for ${what}, last was ${JSON.stringify(last)}`);
  }
}
