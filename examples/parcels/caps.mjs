// What the three clients have in common: a socket that gets what it missed.
import { io } from "socket.io-client";

export const url = process.env.PARCELS ?? "http://127.0.0.1:3000";
export const caps = io(`${url}/caps`);

caps.on("disconnect", (why) => console.log(`- connection lost: ${why}`));

/**
 * Calls fn(payload) for every event of a recipient, those that waited first.
 * When fn is done the message is received, and does not come again.
 */
export function serve(clientId, event, fn) {
  caps.on(event, async ({ messageID, payload }) => {
    if (payload.clientId !== clientId) return;
    await fn(payload);
    caps.emit("received", { clientId, event, messageID });
  });
  caps.on("connect", async () => {
    await caps.emitWithAck("subscribe", { clientId, event });
    const { count } = await caps.emitWithAck("getAll", { clientId, event });
    if (count) console.log(`- ${count} × ${event} had been waiting`);
  });
}

/** Sends an event that its recipient gets some time, and waits until it is stored. */
export async function send(event, payload) {
  for (;;) {
    try {
      const reply = await caps.timeout(5000).emitWithAck(event, payload);
      if (reply?.error) throw new Error(reply.error.message);
      return reply;
    } catch (err) {
      if (!/timed out|disconnected/.test(err.message)) throw err;
    }
  }
}
