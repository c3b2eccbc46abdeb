// The official server with the events of both fixtures: those of
// conformance/server (function fixture) and those of e2e/server (function
// extra). The same cases run against it and against Roomwire, so whatever they
// ask for is known to be what Socket.IO does. Flags as in conformance/server:
//
//   node node-server.mjs -addr=127.0.0.1:0 -ping-interval=300ms -recovery=true
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { Server } from "socket.io";

const require = createRequire(import.meta.url);
const { Server: Engine } = createRequire(require.resolve("socket.io"))("engine.io");

const flags = { addr: "127.0.0.1:0" };
for (const arg of process.argv.slice(2)) {
  const [, name, value] = /^--?([a-z-]+)(?:=(.*))?$/.exec(arg) ?? [];
  if (!name) throw new Error(`unknown argument ${arg}`);
  flags[name] = value ?? "true";
}
const on = (name) => flags[name] === "true";
const ms = (name) => {
  if (!(name in flags)) return undefined;
  const [, n, unit] = /^([\d.]+)(ms|s|m)$/.exec(flags[name]);
  return n * { ms: 1, s: 1000, m: 60_000 }[unit];
};
const given = (o) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined));

const options = given({
  pingInterval: ms("ping-interval"),
  pingTimeout: ms("ping-timeout"),
  upgradeTimeout: ms("upgrade-timeout"),
  connectTimeout: ms("connect-timeout"),
  maxHttpBufferSize: flags["max-payload"] && Number(flags["max-payload"]),
  perMessageDeflate: on("deflate") || undefined,
  connectionStateRecovery: on("recovery") ? {} : undefined,
  cors: flags.cors && { origin: flags.cors },
  cookie: on("cookie") || undefined,
  cleanupEmptyChildNamespaces: true,
  allowRequest: (req, done) => {
    const refused = new URL(req.url, "http://x").searchParams.has("refuse");
    done(refused ? "refused by hook" : null, !refused);
  },
});

const http = createServer();
const io = new Server(http, { ...options, destroyUpgrade: false });
io.engine.on("initial_headers", (headers) => {
  headers["x-first"] = "yes";
});
io.engine.on("headers", (headers) => {
  headers["x-every"] = "yes";
});

fixture();
extra();
engineEcho();

const [host, port] = flags.addr.split(":");
http.listen(Number(port), host, () => {
  console.log(`ready at http://${host}:${http.address().port} pid ${process.pid}`);
});
process.on("SIGTERM", () => io.close(() => process.exit(0)));

// The namespaces and events of conformance/server.
function fixture() {
  for (const nsp of [io.of("/"), io.of("/custom"), io.of(/^\/dynamic-\d+$/)]) {
    nsp.on("connection", (socket) => {
      const own = socket.nsp;
      socket.on("echo", (...args) => args.pop()(...args));
      socket.on("message", (...args) => socket.emit("message-back", ...args));
      socket.on("message-with-ack", (...args) => args.pop()(...args));
      socket.on("broadcast", (...args) => own.emit("broadcast", ...args));
      socket.on("fanout", (p) => own.emit("msg", p));
      socket.on("join", (...args) => {
        const ack = args.pop();
        socket.join(args);
        ack();
      });
      socket.on("leave", (room, ack) => {
        socket.leave(room);
        ack();
      });
      socket.on("room", (room, ...args) => socket.to(room).emit("room", ...args));
      socket.on("roomcast", (room, p) => own.to(room).emit("msg", p));
      socket.on("roomcastx", (room, except, p) => own.to(room).except(except).emit("msg", p));
      socket.on("ask", (...args) => socket.emit("asked", ...args, (answer) => socket.emit("answered", answer)));
    });
  }
}

// Engine.IO alone, as conformance/server offers it at /engine.io/.
function engineEcho() {
  const engine = new Engine(options);
  engine.on("connection", (conn) => conn.on("data", (data) => conn.send(data)));
  const others = http.listeners("request");
  http.removeAllListeners("request");
  http.on("request", (req, res) => {
    if (req.url.startsWith("/engine.io/")) engine.handleRequest(req, res);
    else for (const listener of others) listener.call(http, req, res);
  });
  http.on("upgrade", (req, socket, head) => {
    if (req.url.startsWith("/engine.io/")) engine.handleUpgrade(req, socket, head);
  });
}

// What e2e/server offers besides. Namespaces:
//
//   /          the events below
//   /guarded   refuses unless auth.token is "secret": Error("not authorized"),
//              data {code: 401, need: "token"}; token "boom" is a plain error.
//              The guard joins room "guests" and emits early("before connect")
//   /tenant-X  dynamic by function: only when auth.key is X; the same events
//
// Events (ack is the last argument where there is one):
function extra() {
  for (const nsp of [io.of("/"), guarded(), tenants()]) {
    nsp.on("connection", (socket) => {
      about(socket);
      ending(socket);
      sending(socket);
      targets(socket);
      catching(socket);
    });
  }
}

function guarded() {
  const nsp = io.of("/guarded");
  nsp.use((socket, next) => {
    const { token } = socket.handshake.auth;
    if (token === "boom") return next(new Error("the database is down"));
    if (token !== "secret") {
      const err = new Error("not authorized");
      err.data = { code: 401, need: "token" };
      return next(err);
    }
    socket.join("guests");
    socket.data.user = "guest";
    socket.emit("early", "before connect");
    next();
  });
  return nsp;
}

function tenants() {
  return io.of((name, auth, next) => {
    next(null, name.startsWith("/tenant-") && auth.key === name.slice("/tenant-".length));
  });
}

// echo(...a, ack) → ack(...a), join(...rooms, ack)
// whoami(ack) → what the server knows of the socket
// busy(ms): the whole server does nothing else for so long; busied(ack) → how often it was
// set(v, ack), get(ack) → a value kept with the socket
let busied = 0;
function about(socket) {
  if (socket.nsp.name !== "/") socket.on("echo", (...args) => args.pop()(...args)); // "/" has it from fixture
  socket.on("whoami", (ack) => {
    const { handshake: h, conn } = socket;
    ack({
      id: socket.id,
      rooms: [...socket.rooms].sort(),
      recovered: socket.recovered,
      nsp: socket.nsp.name,
      transport: conn.transport.name,
      protocol: conn.protocol,
      auth: h.auth,
      query: h.query,
      header: h.headers["x-test"] ?? "",
      address: h.address,
      secure: h.secure,
      crossDomain: h.xdomain,
      issued: h.issued,
    });
  });
  socket.on("busy", (ms) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    busied++;
  });
  socket.on("busied", (ack) => ack(busied));
  socket.on("set", (v, ack) => {
    socket.data.kept = v;
    ack();
  });
  socket.on("get", (ack) => ack(socket.data.kept ?? null));
}

// watch(ack): from now on this socket gets leaving(id, nsp, reason, rooms) and
// then gone(id, nsp, reason) for every socket of any namespace that disconnects
// kick(close): the server disconnects the socket, or its whole connection
// cut(): the server closes the connection without a word to the socket
function ending(socket) {
  const id = socket.id;
  const tell = (...args) => io.of("/").to("watchers").emit(...args);
  socket.on("watch", (ack) => {
    socket.join("watchers");
    ack();
  });
  socket.on("kick", (close) => socket.disconnect(close));
  socket.on("cut", () => socket.conn.close());
  socket.on("disconnecting", (reason) => {
    tell("leaving", id, socket.nsp.name, reason, [...socket.rooms].filter((r) => r !== id).sort());
  });
  socket.on("disconnect", (reason) => tell("gone", id, socket.nsp.name, reason));
}

// burst(n) → seq(0) … seq(n-1)
// volatile(n, ack) → tick(0) … tick(n-1), volatile
// compressed(flag, size) → blob(string of that many letters)
// ask-within(ms, ...a, ack): asked(...a) to the socket with a timeout;
//   ack({answer}) or ack({error: "timeout"})
// say(...a) → message(...a) by send
// once-only(ack) → ack("first"), handled once per socket
function sending(socket) {
  socket.on("burst", (n) => {
    for (let i = 0; i < n; i++) socket.emit("seq", i);
  });
  socket.on("volatile", (n, ack) => {
    for (let i = 0; i < n; i++) socket.volatile.emit("tick", i);
    ack();
  });
  socket.on("compressed", (flag, size) => socket.compress(flag).emit("blob", "z".repeat(size)));
  socket.on("ask-within", (delay, ...args) => {
    const ack = args.pop();
    socket.timeout(delay).emit("asked", ...args, (err, answer) => ack(err ? { error: "timeout" } : { answer }));
  });
  socket.on("say", (...args) => socket.send(...args));
  socket.once("once-only", (ack) => ack("first"));
}

// others(...a): socket.broadcast.emit("others", ...a)
// to-rooms(rooms, ...a): socket.to(rooms).emit("room", ...a)
// to-room-volatile(room, ...a): socket.to(room).volatile.emit("room", ...a)
// to-local(...a): nsp.local.emit("local", ...a)
// gather(room, ms, ...a, ack): nsp.to(room).timeout(ms).emit("asked", ...a);
//   ack({late: whether some did not answer in time, answers: [...]}); room "" is everyone
// list(room, ack) → ids of the sockets there, sorted
// move(from, to, ack), unmove(room, from, ack): socketsJoin and socketsLeave
// evict(room, close): disconnectSockets
function targets(socket) {
  const { nsp } = socket;
  const at = (room) => (room === "" ? nsp : nsp.in(room));
  socket.on("others", (...args) => socket.broadcast.emit("others", ...args));
  socket.on("to-rooms", (rooms, ...args) => socket.to(rooms).emit("room", ...args));
  socket.on("to-room-volatile", (room, ...args) => socket.to(room).volatile.emit("room", ...args));
  socket.on("to-local", (...args) => nsp.local.emit("local", ...args));
  socket.on("gather", (room, delay, ...args) => {
    const ack = args.pop();
    at(room).timeout(delay).emit("asked", ...args, (err, answers) => ack({ late: !!err, answers }));
  });
  socket.on("list", async (room, ack) => {
    const all = await at(room).fetchSockets();
    ack(all.map((s) => s.id).sort());
  });
  socket.on("move", (from, to, ack) => {
    at(from).socketsJoin(to);
    ack();
  });
  socket.on("unmove", (room, from, ack) => {
    at(room).socketsLeave(from);
    ack();
  });
  socket.on("evict", (room, close) => at(room).disconnectSockets(close));
}

// seen(ack) → names of all events received by this socket so far, this one too
// sent(ack) → names of all events emitted to it so far, acknowledgements aside
// forbidden(...): stopped by event middleware, which emits blocked("forbidden")
function catching(socket) {
  const seen = [];
  const sent = [];
  socket.onAny((name) => seen.push(name));
  socket.onAnyOutgoing((name) => sent.push(name));
  socket.on("seen", (ack) => ack(seen));
  socket.on("sent", (ack) => ack(sent));
  socket.on("forbidden", () => socket.emit("reached"));
  socket.use(([name], next) => next(name === "forbidden" ? new Error(name) : undefined));
  socket.on("error", (err) => socket.emit("blocked", err.message));
}
