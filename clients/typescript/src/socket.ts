/** Consuming over a WebSocket in JSON: for browsers, and for Node with any WebSocket class. */

/** An event as the service delivers it; `event` is the JSON form of docs/spec/event.md. */
export interface SocketEvent {
  readonly offset: number;
  readonly ack_id: string;
  readonly attempt?: number;
  readonly redelivered?: boolean;
  /** It comes from the dead letters, outside the order. */
  readonly redriven?: boolean;
  /** With the first event of a batch: earlier events of its keys that were dead-lettered. */
  readonly skipped_to_dead_letter?: readonly number[];
  /** The look-alike anomalies that it tells of; its ack settles all of them. */
  readonly digest?: { readonly count: number; readonly ids: readonly string[] };
  readonly event: Record<string, unknown>;
}

/** Events of one partition, in order. */
export interface Events {
  readonly type: "events";
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  readonly ingested_at: string;
  readonly events: readonly SocketEvent[];
}

interface Run {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
}

/** Events that will never come, and why. */
export interface Gap extends Run {
  readonly type: "gap";
  readonly count: number;
  readonly reason: string;
}

/** Why the service ended the stream; each code has a page in docs/errors. */
export interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly hint?: string;
}

/** Ends that pass: attaching again may help. */
const PASSING = new Set(["SUBSCRIPTION_BUSY", "SHUTTING_DOWN", "RESOURCE_EXHAUSTED", "LOG_READ_ONLY"]);

type Frame =
  | Events
  | Gap
  | { readonly type: "opened"; readonly session: string }
  | { readonly type: "confirmed"; readonly runs: readonly Run[]; readonly stale: readonly Run[] }
  | { readonly type: "pause" | "resume" | "heartbeat" }
  | { readonly type: "error"; readonly problem: Problem };

/** What this needs of a WebSocket; that of browsers has it. */
interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export type SocketClass = new (url: string, protocols: string[]) => Socket;

/** Events whose credit is given back at once. */
const WINDOW = 1_000;

/**
 * Attaches to a subscription over a WebSocket, and again when the connection breaks. What was not
 * acknowledged comes again, flagged `redelivered`. `failed` hears of an end that does not pass.
 */
export class SocketConsumer {
  private socket: Socket | undefined;
  private readonly unconfirmed = new Map<string, { left: number; resolve: () => void }>();
  private closed = false;
  private attempts = 0;

  constructor(
    private readonly address: string,
    private readonly subscription: string,
    private readonly take: (item: Events | Gap, consumer: SocketConsumer) => void,
    private readonly WebSocketClass: SocketClass = globalThis.WebSocket as unknown as SocketClass,
    private readonly failed: (problem: Problem) => void = ({ code, detail }) =>
      console.error(`${code}: ${detail}`),
  ) {
    this.attach();
  }

  private attach(): void {
    const url = `${this.address.replace(/^http/, "ws")}/api/v1/ws`;
    const socket = new this.WebSocketClass(url, ["tidings.v1.json"]);
    this.socket = socket;
    socket.onopen = () => {
      this.say({ type: "open", subscription: this.subscription, consumer: "websocket" });
      this.say({ type: "credit", events: WINDOW });
    };
    socket.onmessage = (message: { data: unknown }) => {
      this.heard(JSON.parse(String(message.data)) as Frame);
    };
    socket.onclose = () => {
      // What was not confirmed comes again.
      this.unconfirmed.clear();
      if (this.closed) return;
      const delay = Math.random() * Math.min(5_000, 50 * 2 ** this.attempts++);
      setTimeout(() => this.closed || this.attach(), delay);
    };
    socket.onerror = () => {};
  }

  private say(frame: object): void {
    this.socket?.send(JSON.stringify(frame));
  }

  private heard(frame: Frame): void {
    if (frame.type !== "error") this.attempts = 0;
    if (frame.type === "events") {
      this.take(frame, this);
      this.say({ type: "credit", events: frame.events.length });
    } else if (frame.type === "gap") {
      this.take(frame, this);
    } else if (frame.type === "confirmed") {
      for (const run of [...frame.runs, ...frame.stale]) this.confirm(run);
    } else if (frame.type === "error") {
      if (PASSING.has(frame.problem.code)) return;
      this.close();
      this.failed(frame.problem);
    }
  }

  /** Settles the events of an item, or some of them; resolves when they are settled for good. */
  ack(item: Events, events: readonly SocketEvent[] = item.events): Promise<void> {
    this.say({ type: "ack", ack_ids: events.map((event) => event.ack_id) });
    if (events.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const ack = { left: events.length, resolve };
      for (const { offset } of events) this.unconfirmed.set(placeOf(item, offset), ack);
    });
  }

  private confirm(run: Run): void {
    for (let offset = run.from; offset <= run.to; offset++) {
      const place = placeOf(run, offset);
      const ack = this.unconfirmed.get(place);
      this.unconfirmed.delete(place);
      if (ack !== undefined && --ack.left === 0) ack.resolve();
    }
  }

  /** Gives these events back, to be delivered again. */
  nack(events: readonly SocketEvent[], delayMs = 0): void {
    const ackIds = events.map((event) => event.ack_id);
    this.say({ type: "nack", ack_ids: ackIds, delay_ms: delayMs });
  }

  /** Detaches for good. */
  close(): void {
    this.closed = true;
    this.socket?.close(1000);
  }
}

function placeOf(run: { topic: string; partition: number; epoch: number }, offset: number): string {
  return `${run.topic}/${run.epoch}/${run.partition}/${offset}`;
}
