// Consumes a subscription over one stream and writes one line of JSON for each event.
//
//   node consume.mjs sse URL SUBSCRIPTION COUNT [LAST_EVENT_ID]
//   node --experimental-websocket consume.mjs ws URL SUBSCRIPTION COUNT
//
// Ends after COUNT events (acknowledged and, over WebSocket, confirmed), or when the stream ends.

const [kind, base, subscription, count, last] = process.argv.slice(2);
const wanted = Number(count);
let seen = 0;

function write(id, event) {
  seen += 1;
  console.log(JSON.stringify({ id, offset: event.offset, number: event.event.key_seq }));
}

async function sse() {
  const headers = last ? { "last-event-id": last } : {};
  const url = `${base}/api/v1/subscriptions/${subscription}/stream`;
  const answer = await fetch(url, { headers });
  if (answer.status !== 200) throw new Error(await answer.text());
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of answer.body) {
    text += decoder.decode(piece, { stream: true });
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const fields = {};
      for (const line of text.slice(0, end).split("\n")) {
        const colon = line.indexOf(": ");
        fields[line.slice(0, colon)] = line.slice(colon + 2);
      }
      if (fields.event === "error") return;
      if (fields.event || !fields.data) continue;
      write(fields.id, JSON.parse(fields.data));
      if (seen < wanted) continue;
      const body = JSON.stringify({ up_to: [fields.id] });
      const kind = { "content-type": "application/json" };
      const ack = `${base}/api/v1/subscriptions/${subscription}/ack`;
      const acked = await fetch(ack, { method: "POST", headers: kind, body });
      const { results } = await acked.json();
      if (results[0].state !== "confirmed") throw new Error(JSON.stringify(results));
      process.exit(0);
    }
  }
}

function ws() {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${base.replace("http", "ws")}/api/v1/ws`, "tidings.v1.json");
    const send = (message) => socket.send(JSON.stringify(message));
    let acked = 0;
    socket.onopen = () => {
      send({ type: "open", subscription, consumer: "node" });
      send({ type: "credit", events: wanted });
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "error") return reject(new Error(message.problem.detail));
      if (message.type === "events") {
        for (const event of message.events) write(event.ack_id, event);
        send({ type: "ack", up_to: [message.events.at(-1).ack_id] });
      }
      if (message.type === "confirmed") {
        for (const run of message.runs) acked += run.to - run.from + 1;
        if (acked >= wanted) socket.close(1000);
      }
    };
    socket.onclose = resolve;
    socket.onerror = reject;
  });
}

try {
  await (kind === "sse" ? sse() : ws());
} catch (error) {
  // A stream that breaks off has said what it said.
  if (seen === 0) throw error;
}
