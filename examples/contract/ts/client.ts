// A client in TypeScript. chat.ts is written by roomwire types from the Go
// package that the server is compiled with, so that a mistake on either side
// does not compile: each line after @ts-expect-error is such a mistake.
import { io, type Socket } from "socket.io-client";
import type { ClientToServerEvents, Failure, Message, ServerToClientEvents } from "./chat.js";

const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io("http://localhost:3000");

socket.on("posted", (message) => {
  console.log(message.from, message.text, message.data?.byteLength, new Date(message.at).getTime());
  // @ts-expect-error: a message has no title
  console.log(message.title);
});

socket.on("typed", (who, on) => {
  console.log(who.toUpperCase(), on === true);
});

// @ts-expect-error: the server does not send this one
socket.on("say", () => {});

const failed = (reply: unknown): reply is Failure => typeof reply === "object" && reply !== null && "error" in reply;

socket.emit("say", { room: "lobby", kind: "text", text: "hello" }, (reply) => {
  if (failed(reply)) {
    console.error(reply.error.message, reply.error.data);
  } else {
    console.log("number", reply.id);
  }
});

socket.emit("say", { room: "lobby", kind: "image", text: "", data: new Uint8Array([1, 2, 3]) }, () => {});

// @ts-expect-error: there is no such kind
socket.emit("say", { room: "lobby", kind: "song", text: "" }, () => {});

// @ts-expect-error: typing takes a boolean
socket.emit("typing", "yes");

const history: Message[] | Failure = await socket.timeout(5000).emitWithAck("history", { room: "lobby", limit: 20 });
if (!failed(history)) {
  console.log(history.length, history[0]?.kind);
}
