// Clients of socket.io-client that echo so often, and what CPU time that took
// once they were warm: node cost.cjs URL CLIENTS ECHOES. TestEchoCost compares it.
const { io } = require("socket.io-client");

const [url, clients, echoes] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const sockets = Array.from({ length: clients }, () => io(url, { forceNew: true, transports: ["websocket"] }));

function round(n) {
  return Promise.all(sockets.map(async (s) => {
    for (let i = 0; i < n / clients; i++) await s.emitWithAck("echo", "hello");
  }));
}

Promise.all(sockets.map((s) => new Promise((resolve) => s.on("connect", resolve)))).then(async () => {
  await round(echoes / 4);
  const before = process.cpuUsage();
  await round(echoes);
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ ops: echoes, cpu: user + system }));
  sockets.forEach((s) => s.disconnect());
});
