// A TCP proxy between client and server, to cut or freeze a connection as a network does.
import net from "node:net";
import { once } from "node:events";

export class Proxy {
  pairs = new Set();
  refusing = false;
  frozen = false;
  budget = Infinity; // bytes that the server may still send

  static async to(server) {
    const p = new Proxy();
    p.listener = net.createServer((c) => p.accept(c, server.port));
    p.listener.listen(0, "127.0.0.1");
    await once(p.listener, "listening");
    p.url = `http://127.0.0.1:${p.listener.address().port}`;
    return p;
  }

  accept(client, port) {
    if (this.refusing) return client.resetAndDestroy();
    if (this.frozen) {
      this.pairs.add([client]);
      return client.on("error", () => {});
    }
    const server = net.connect(port, "127.0.0.1");
    const pair = [client, server];
    this.pairs.add(pair);
    for (const [a, b] of [[client, server], [server, client]]) {
      a.on("error", () => {});
      a.on("close", () => {
        b.destroy();
        this.pairs.delete(pair);
      });
      if (a === client) a.pipe(b);
      else a.on("data", (d) => this.pass(d, b));
    }
  }

  /** Drops every connection and refuses new ones until open is called. */
  cut() {
    this.refusing = true;
    for (const pair of this.pairs) for (const s of pair) s.destroy();
  }

  // Forwards what the server sent, as far as the budget goes, and then cuts. All
  // of that is done at once: nothing of it may fall upon those who come after open.
  pass(data, client) {
    const part = data.subarray(0, this.budget);
    this.budget -= part.length;
    if (this.budget > 0) return client.write(part);
    const others = [...this.pairs].flat().filter((s) => s !== client);
    client.end(part, () => client.destroy());
    this.refusing = true;
    for (const s of others) s.removeAllListeners("data").destroy();
  }

  /** Drops every connection after so many further bytes from the server. */
  cutAfter(bytes) {
    this.budget = bytes;
  }

  open() {
    this.refusing = false;
    this.budget = Infinity;
  }

  /** Lets no more bytes through, on old connections or new ones, without closing any. */
  freeze() {
    this.frozen = true;
    for (const pair of this.pairs) for (const s of pair) s.unpipe().removeAllListeners("data");
  }

  async close() {
    this.cut();
    this.listener.close();
    await once(this.listener, "close");
  }
}
