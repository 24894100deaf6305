/** Prints and acknowledges the first five events of a subscription, over gRPC. */

import { Client } from "../src/client.js";

const client = new Client(process.argv[2] ?? "http://127.0.0.1:8080");
const consumer = client.consume("node-grpc");
let count = 0;
for await (const delivered of consumer) {
  for (const { topic, offset, event } of delivered) {
    if (event.payload.case !== "indicators") continue;
    const rsi = event.payload.value.values["rsi_14"]?.value;
    console.log(`${event.instrument} rsi_14 = ${rsi} (${topic}, offset ${offset})`);
  }
  consumer.ack(delivered);
  count += delivered.length;
  if (count >= 5) consumer.close();
}
console.log(`${count} events acknowledged`);
