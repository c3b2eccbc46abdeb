// A Socket.IO server for the tests of the Go client. It prints its port, and
// ends with its standard input.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const options = JSON.parse(process.argv[2] || "{}");
const port = Number(process.argv[3] || 0);
const httpServer = createServer();
const io = new Server(httpServer, options);
let once = new Map();
let cookies = [];

io.engine.on("headers", (headers) => {
  if (options.cookieTest) headers["set-cookie"] = ["seen=1; Path=/"];
});

function handlers(socket) {
  socket.on("echo", (...args) => {
    const last = args[args.length - 1];
    if (typeof last === "function") last(...args.slice(0, -1));
    else socket.emit("echo", ...args);
  });
  socket.on("ask", async (name, value, cb) => {
    try {
      cb({ answer: await socket.timeout(2000).emitWithAck(name, value) });
    } catch (e) {
      cb({ failed: e.message });
    }
  });
  socket.on("auth", (cb) => cb(socket.handshake.auth));
  socket.on("headers", (cb) => cb(socket.handshake.headers));
  socket.on("query", (cb) => cb(socket.handshake.query));
  socket.on("transport", (cb) => cb(socket.conn.transport.name));
  socket.on("fail", (cb) => cb({ error: { message: "no luck", data: { n: 7 } } }));
  socket.on("join", (room, cb) => { socket.join(room); cb(); });
  socket.on("leave", (room, cb) => { socket.leave(room); cb(); });
  socket.on("say", (room, text) => io.of(socket.nsp.name).to(room).emit("said", text));
  socket.on("burst", (n, cb) => { for (let i = 0; i < n; i++) socket.emit("n", i); cb?.(n); });
  // acknowledged at the third sight only
  socket.on("stubborn", (key, cb) => {
    const n = (once.get(key) || 0) + 1;
    once.set(key, n);
    if (n >= 3) cb(n);
  });
  socket.on("count", (key, cb) => { once.set(key, (once.get(key) || 0) + 1); cb(once.get(key)); });
  socket.on("never", () => {});
  socket.on("kick", () => socket.disconnect());
  socket.on("kickall", () => socket.disconnect(true));
  socket.on("cut", () => socket.conn.close());
  socket.on("cut then news", (room, text) => {
    socket.conn.close();
    setTimeout(() => io.of(socket.nsp.name).to(room).emit("news", text), 20);
  });
  socket.on("news", (room, text) => io.of(socket.nsp.name).to(room).emit("news", text));
}

io.on("connection", handlers);
io.of("/admin").use((socket, next) => {
  if (socket.handshake.auth.token === "secret") return next();
  const err = new Error("not authorized");
  err.data = { code: 42 };
  next(err);
}).on("connection", handlers);
io.of("/early").use((socket, next) => {
  socket.emit("early", 1);
  socket.emit("early", 2);
  next();
}).on("connection", (socket) => { socket.emit("early", 3); handlers(socket); });

httpServer.listen(port, "127.0.0.1", () => console.log(httpServer.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
