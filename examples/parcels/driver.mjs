// The driver: picks up what is ready and delivers it.
//
//   node driver.mjs
import { send, serve } from "./caps.mjs";

serve("driver", "pickup", async ({ vendor, order }) => {
  console.log(`driver: picked up ${order}`);
  await send("in-transit", { clientId: vendor, order });
  await send("delivered", { clientId: vendor, order });
  console.log(`driver: delivered ${order}`);
});
