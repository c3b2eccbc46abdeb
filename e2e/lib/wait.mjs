// Waiting for events. Every wait has a limit and says what it waited for.
import assert from "node:assert/strict";

const limit = 10_000;

/** What a wait rejects with when nothing came. */
export class Late extends Error {}

/** A promise that must settle within the limit. */
export function within(what, start, ms = limit) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Late(`no ${what} within ${ms} ms`)), ms);
    const end = (settle) => (value) => {
      clearTimeout(timer);
      settle(value);
    };
    start(end(resolve), end(reject));
  });
}

/** The arguments of the next event called name. */
export function next(emitter, name) {
  return within(`event ${name}`, (resolve) => emitter.once(name, (...args) => resolve(args)));
}

/** The arguments of the next n events called name, in order of arrival. */
export function take(emitter, name, n, ms = 30_000) {
  const got = [];
  return within(`${n} events ${name}`, (resolve) => {
    emitter.on(name, function listen(...args) {
      got.push(args);
      if (got.length === n) {
        emitter.off(name, listen);
        resolve(got);
      }
    });
  }, ms).catch((err) => {
    throw new Late(`${err.message}: got ${got.length}`);
  });
}

/** Keeps every event called name, in order of arrival. */
export function record(emitter, name) {
  const got = [];
  emitter.on(name, (...args) => got.push(args));
  return got;
}

/** Emits and waits for the acknowledgement; resolves with its first argument. */
export function ask(socket, name, ...args) {
  return within(`acknowledgement of ${name}`, (resolve) => socket.emit(name, ...args, resolve));
}

/** Emits and waits for the acknowledgement; resolves with all its arguments. */
export function askAll(socket, name, ...args) {
  return within(`acknowledgement of ${name}`, (resolve) => socket.emit(name, ...args, (...all) => resolve(all)));
}

/**
 * Waits until whatever the server had to send to these sockets because of
 * earlier emits of the first one has arrived: messages of one socket keep their
 * order, so a round trip through the sender and then through each receiver is
 * enough, and no test has to wait for nothing to happen.
 */
export async function quiet(...sockets) {
  for (const s of sockets) assert.equal(await ask(s, "echo", "still there?"), "still there?");
}
