// A shop: orders some pickups and thanks for what was delivered.
//
//   node vendor.mjs [name] [orders]
import { send, serve } from "./caps.mjs";

const [name = "flowers", orders = "3"] = process.argv.slice(2);

serve(name, "in-transit", ({ order }) => console.log(`${name}: ${order} is on its way`));
serve(name, "delivered", ({ order }) => console.log(`${name}: thank you for delivering ${order}`));

for (let i = 1; i <= Number(orders); i++) {
  const order = `${name}-${Date.now().toString(36)}-${i}`;
  await send("pickup", { clientId: "driver", vendor: name, order });
  console.log(`${name}: ${order} is ready`);
}
