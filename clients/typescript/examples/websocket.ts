/** Prints and acknowledges the first five events of a subscription, over a WebSocket in JSON. */

import { WebSocket } from "ws";

import { SocketConsumer, type SocketClass } from "../src/socket.js";

const address = process.argv[2] ?? "http://127.0.0.1:8080";
let count = 0;
new SocketConsumer(
  address,
  "node-websocket",
  (item, consumer) => {
    if (item.type === "gap") {
      console.warn(`gap: ${item.count} events: ${item.reason}`);
      return;
    }
    for (const { offset, event } of item.events) {
      console.log(`${String(event["instrument"])} (${item.topic}, offset ${offset})`);
    }
    count += item.events.length;
    void consumer.ack(item).then(() => {
      if (count < 5) return;
      console.log(`${count} events acknowledged`);
      consumer.close();
    });
  },
  WebSocket as unknown as SocketClass,
);
