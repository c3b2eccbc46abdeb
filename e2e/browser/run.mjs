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

// What the page shows, without names, times and where one is.
const said = (items) => items.map((m) => m.split("\n").at(-1)).filter((m) => !m.startsWith("You are in"));

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
  "a tab that is loaded anew has its name and what was said": async () => {
    const before = said(await ada.items("messages"));
    await ada.page.reload();
    await ada.status(/^connected/);
    for (const tab of [ada, bob]) await tab.lists("online", ["ada", "bob"]);
    assert.deepEqual(said(await ada.items("messages")), before);
    await ada.say("I am still me");
    await bob.hears("I am still me");
    assert.match((await bob.items("messages")).at(-1), /^ada /);
  },
  "going back in the browser goes back to the room": async () => {
    await bob.enter("corridor");
    await bob.lists("online", ["bob"]);
    await bob.page.goBack();
    for (const tab of [ada, bob]) await tab.lists("online", ["ada", "bob"]);
    await bob.hears("I am still me");
  },
  "nothing is wider than the page, whatever people are called": async () => {
    const eve = await Tab.open(context, `${dev.url}/#${"R".repeat(64)}`);
    await eve.page.setViewportSize({ width: 340, height: 640 });
    await eve.nick("W".repeat(32));
    await eve.lists("online", ["W".repeat(32)]);
    await eve.say("x".repeat(500));
    await eve.hears("xxx");
    assert.equal(await eve.page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
    await eve.page.close();
    const lost = await Tab.open(context, `${dev.url}/#%zz`); // no name of a room
    await lost.shows("room", /^# lobby$/);
    await lost.page.close();
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
      await ada.shows("banner", /is sent/);
      await ada.say("written while the server was away");
      await ada.hears("waiting");
    });
    for (const tab of [ada, bob]) await tab.status(/^connected/);
    await bob.hears("written while the server was away");
    assert.equal(said(await ada.items("messages")).filter((m) => m.startsWith("written")).length, 1);
    assert.equal(await ada.of("banner").isVisible(), false);
    await ada.say("are you there?");
    await ada.hears("are you there?");
  },
  "who lost the connection gets what was missed, also from a server that was killed": async () => {
    const gone = await browser();
    try {
      const eve = await Tab.open(gone, dev.url);
      await eve.nick("eve");
      for (const tab of [ada, bob, eve]) await tab.enter("storm");
      await ada.lists("online", ["ada", "bob", "eve"]);
      await ada.say("before");
      await eve.hears("before");
      await gone.setOffline(true); // she cannot come back
      await dev.restart(() => eve.status(/disconnected|cannot connect/), "SIGKILL");
      for (const tab of [ada, bob]) await tab.lists("online", ["ada", "bob"]);
      for (let i = 0; i < 3; i++) await ada.say(`while away ${i}`);
      await bob.hears("while away 2");
      await dev.restart(async () => {}, "SIGKILL");
      for (const tab of [ada, bob]) await tab.status(/^connected/);
      await gone.setOffline(false);
      await eve.hears("while away 2");
      await ada.say("after");
      await eve.hears("after");
      assert.deepEqual(said(await eve.items("messages")), ["before", "3 missed messages", "while away 0", "while away 1", "while away 2", "after"]);
      for (const tab of [ada, bob]) assert.equal(said(await tab.items("messages")).filter((m) => m === "after").length, 1);
    } finally {
      await gone.close();
    }
  },
  "who closed the tab gets what was missed in a new one, once": async () => {
    const other = await browser(); // its own storage: only the nickname is the same
    try {
      for (const expected of [["3 missed messages", "missing 0", "missing 1", "missing 2"], []]) {
        const eve = await Tab.open(other, `${dev.url}/#later`);
        await eve.nick("eve");
        await eve.lists("online", ["eve"]);
        if (expected.length) assert.deepEqual(said(await eve.items("messages")), []);
        await eve.page.close();
        await ada.enter("later");
        await ada.lists("online", ["ada"]);
        if (expected.length) for (let i = 0; i < 3; i++) await ada.say(`missing ${i}`);
        if (expected.length) await ada.hears("missing 2");
        if (expected.length) await dev.restart(async () => {}, "SIGKILL");
        await ada.status(/^connected/);
        const again = await Tab.open(other, `${dev.url}/#later`);
        await again.lists("online", ["ada", "eve"]);
        if (expected.length) await again.hears("missing 2");
        await ada.say("ping");
        await again.hears("ping");
        assert.deepEqual(said(await again.items("messages")), [...expected, "ping"]);
        await again.page.close();
        await ada.enter("elsewhere");
      }
      for (const tab of [ada]) await tab.enter("tea");
      await bob.enter("tea");
    } finally {
      await other.close();
    }
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
const own = process.env.CHAT_URL ? Object.keys(cases).filter((name) => /server was|gets what was missed/.test(name)) : [];
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
