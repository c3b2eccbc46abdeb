// The chat page of `roomwire dev` in two tabs of headless Chromium.
//
//   node browser/run.mjs                 the tests; exit 75 is a skip, with the reason
//   node browser/run.mjs --screenshots   makes docs/images anew
import assert from "node:assert/strict";
import { browser, Dev, Tab } from "./chat.mjs";
import { screenshots } from "./screenshots.mjs";

if (process.argv.includes("--screenshots")) {
  await screenshots();
  process.exit();
}

const dev = await Dev.start();
const bundle = await fetch(`${dev.url}/socket.io/socket.io.min.js`);
if (!bundle.ok) {
  await dev.stop();
  console.error("browser: NO BROWSER TESTS: the server was built without the browser client, run make client-dist");
  process.exit(75);
}
const context = await browser();
let ada, bob;

// The cases build on each other: two people who talk.
const cases = {
  "both tabs connect": async () => {
    ada = await Tab.open(context, dev.url);
    bob = await Tab.open(context, dev.url);
  },
  "the connections are upgraded to WebSocket": async () => {
    for (const tab of [ada, bob]) await tab.until(async () => tab.sockets, (n) => n === 1, "one WebSocket");
  },
  "nicknames show who is online, in both tabs": async () => {
    await ada.nick("ada");
    await bob.nick("bob");
    for (const tab of [ada, bob]) await tab.lists("online", ["ada", "bob"]);
  },
  "everyone sees a message, its writer too": async () => {
    await ada.say("hello from ada");
    await bob.say("hello from bob");
    for (const tab of [ada, bob]) for (const who of ["ada", "bob"]) await tab.hears(`hello from ${who}`);
  },
  "a message is text, whatever it holds": async () => {
    const text = `<img src=x onerror="document.title='hacked'"> <b>ünïcode</b> 🎉 日本語`;
    await bob.say(text);
    for (const tab of [ada, bob]) {
      await tab.hears(text);
      assert.equal(await tab.page.title(), "Roomwire chat");
    }
  },
  "messages come in the order they were sent": async () => {
    for (let i = 0; i < 20; i++) await ada.say(`number ${i}.`);
    await bob.hears("number 19.");
    const heard = (await bob.items("messages")).flatMap((m) => m.match(/number \d+\./) ?? []);
    assert.deepEqual(heard, Array.from({ length: 20 }, (_, i) => `number ${i}.`));
  },
  "the others see who is typing, and that it ended": async () => {
    await ada.type("thinking");
    await bob.shows("typing", /ada/);
    assert.equal(await ada.of("typing").innerText(), "");
    await ada.of("send").click();
    await bob.hears("thinking");
    await bob.shows("typing", /^$/);
  },
  "a room keeps its messages and its people to itself": async () => {
    await ada.enter("tea");
    await ada.lists("online", ["ada"]);
    await bob.lists("online", ["bob"]);
    await ada.say("only for tea");
    await ada.hears("only for tea");
    await bob.say("still in the lobby");
    await bob.hears("still in the lobby");
    assert.ok(!(await bob.items("messages")).some((m) => m.includes("only for tea")));
    assert.ok(!(await ada.items("messages")).some((m) => m.includes("still in the lobby")));
    await bob.enter("tea");
    for (const tab of [ada, bob]) await tab.lists("online", ["ada", "bob"]);
    await bob.say("tea for two");
    await ada.hears("tea for two");
  },
  "the page loads nothing from elsewhere and reports no error": async () => {
    const { host } = new URL(dev.url);
    for (const tab of [ada, bob]) {
      assert.deepEqual([...tab.hosts], [host]);
      assert.deepEqual(tab.errors, []);
    }
  },
  "both tabs come back when the server was restarted": async () => {
    await dev.restart(async () => {
      for (const tab of [ada, bob]) await tab.status(/disconnected|cannot connect/);
    });
    for (const tab of [ada, bob]) await tab.status(/^connected/);
    await ada.say("are you there?");
    await ada.hears("are you there?");
  },
  "who closes the tab is not online any more": async () => {
    await bob.enter("goodbye");
    await ada.enter("goodbye");
    await ada.lists("online", ["ada", "bob"]);
    await bob.page.close();
    await ada.lists("online", ["ada"]);
  },
};

const counts = { passed: 0, failed: 0, skipped: 0 };
const own = process.env.CHAT_URL ? ["both tabs come back when the server was restarted"] : [];
for (const [name, run] of Object.entries(cases)) {
  if (own.includes(name)) {
    console.log(`SKIP ${name}: the server is not ours to restart`);
    counts.skipped++;
    continue;
  }
  try {
    await run();
    counts.passed++;
  } catch (err) {
    counts.failed++;
    console.log(`FAIL ${name}\n     ${err.stack}`);
    for (const [who, tab] of Object.entries({ ada, bob })) if (tab?.errors.length) console.log(`     ${who}: ${tab.errors.join("; ")}`);
  }
}
await context.close();
await dev.stop();
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed ? 1 : 0);
