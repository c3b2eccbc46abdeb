// The official server with the events of the conformance fixture. Everything
// that is not an event is left at its default.
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Server } from "socket.io";

const { values: flags } = parseArgs({
  options: {
    addr: { type: "string", default: "127.0.0.1:3000" },
    debug: { type: "string", default: "127.0.0.1:6060" },
  },
});
const listen = (server, addr, then) => {
  const [host, port] = addr.split(":");
  server.listen({ host, port: Number(port), backlog: 4096 }, then);
};

const server = createServer();
const io = new Server(server);

io.on("connection", (socket) => {
  socket.on("echo", (...args) => args.pop()(...args));
  socket.on("fanout", (p) => io.emit("msg", p));
  socket.on("join", (...args) => {
    const ack = args.pop();
    socket.join(args);
    ack();
  });
  socket.on("roomcast", (room, p) => io.to(room).emit("msg", p));
  socket.on("roomcastx", (room, except, p) => io.to(room).except(except).emit("msg", p));
});

const debug = createServer((req, res) => {
  if (req.url === "/__gc") globalThis.gc?.();
  res.end("ok\n");
});
listen(debug, flags.debug, () =>
  listen(server, flags.addr, () => console.log(`node ready on http://${flags.addr} pid ${process.pid}`)),
);
process.on("SIGTERM", () => process.exit(0));
