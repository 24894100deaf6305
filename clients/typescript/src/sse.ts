/** Server-sent events by `fetch`. A browser's own EventSource reads the same stream. */

/** One event of a stream. */
export interface Message {
  /** Name of the event; `message` where the service gives none. */
  readonly type: string;
  /** What `Last-Event-ID` takes to go on after this one. */
  readonly id: string;
  readonly data: string;
}

/** Reads a stream; with `after`, it goes on after that id and acknowledges up to it. */
export async function* serverSentEvents(
  url: string,
  options: { after?: string; signal?: AbortSignal } = {},
): AsyncGenerator<Message> {
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (options.after !== undefined) headers["last-event-id"] = options.after;
  const answer = await fetch(url, { headers, signal: options.signal ?? null });
  if (!answer.ok || answer.body === null) {
    throw new Error(`${answer.status}: ${await answer.text()}`);
  }
  let rest = "";
  let id = "";
  for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const message = read(block, id);
      id = message.id;
      if (message.data !== "") yield message;
    }
  }
}

function read(block: string, before: string): Message {
  let type = "message";
  let id = before;
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    const value = line.slice(at + 1).replace(/^ /, "");
    if (line.startsWith("event:")) type = value;
    else if (line.startsWith("id:")) id = value;
    else if (line.startsWith("data:")) data.push(value);
  }
  return { type, id, data: data.join("\n") };
}
