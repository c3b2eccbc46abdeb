// Order: 2,000 emits each way, while everything else goes on.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start } from "../lib/servers.mjs";
import { matrix } from "../lib/clients.mjs";
import { take, record, quiet } from "../lib/wait.mjs";

const n = 2000;
const numbers = [...Array(n).keys()];

let fixture, extra;
before(async () => {
  [fixture, extra] = await Promise.all([start("fixture"), start("extra")]);
});
after(() => Promise.all([fixture.stop(), extra.stop()]));

matrix((kit) => {
  test("2,000 emits go and come back in order", async () => {
    const socket = await kit.connect(fixture, { settle: false });
    const back = take(socket, "message-back", n);
    for (const i of numbers) socket.emit("message", i);
    assert.deepEqual((await back).map(([i]) => i), numbers);
    await kit.settled(socket);
  });

  test("2,000 emits of the server arrive in order", async () => {
    const socket = await kit.connect(extra, { settle: false });
    const seq = take(socket, "seq", n);
    socket.emit("burst", n);
    assert.deepEqual((await seq).map(([i]) => i), numbers);
    await kit.settled(socket);
  });

  test("2,000 acknowledged emits, spread over the upgrade, keep their order", async () => {
    const socket = await kit.connect(fixture, { settle: false });
    const answers = [];
    let sent = 0;
    await new Promise((done) => {
      const batch = () => {
        for (let i = 0; i < 50; i++) {
          socket.emit("echo", sent++, (v) => {
            answers.push(v);
            if (answers.length === n) done();
          });
        }
        if (sent < n) setTimeout(batch, 1);
      };
      batch();
    });
    assert.deepEqual(answers, numbers);
    await kit.settled(socket);
  });

  test("broadcasts of two senders keep each sender's order", async () => {
    const [a, b, c] = await Promise.all([1, 2, 3].map(() => kit.connect(fixture, { settle: false })));
    const heard = record(c, "broadcast");
    for (let i = 0; i < 500; i++) {
      a.emit("broadcast", "a", i);
      b.emit("broadcast", "b", i);
    }
    await quiet(a, b, c);
    for (const who of ["a", "b"]) {
      const own = heard.filter(([w]) => w === who).map(([, i]) => i);
      assert.deepEqual(own, numbers.slice(0, 500));
    }
  });
});
