// The hub: shows what passes, and takes nothing from anybody: it never says "received".
//
//   node dashboard.mjs [clientId …]
import { caps } from "./caps.mjs";

const clients = process.argv.length > 2 ? process.argv.slice(2) : ["driver", "flowers"];

for (const event of ["pickup", "in-transit", "delivered"]) {
  caps.on(event, ({ messageID, payload }) => console.log(new Date().toISOString(), event.padEnd(10), messageID, payload));
  caps.on("connect", async () => {
    for (const clientId of clients) {
      const { waiting } = await caps.emitWithAck("subscribe", { clientId, event });
      if (waiting) console.log(`- ${waiting} × ${event} wait for ${clientId}`);
    }
  });
}
