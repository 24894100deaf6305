/** Prints and acknowledges the first events of a subscription over gRPC, five or as many as it is told. */

import { Client } from "../src/client.js";

const client = new Client(process.argv[2] ?? "http://127.0.0.1:8080");
const wanted = Number(process.argv[3] ?? 5);
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
  if (count >= wanted) consumer.close();
}
console.log(`${count} events acknowledged`);
