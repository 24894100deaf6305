/** Publishing and consuming over gRPC, for Node. */

import { randomUUID } from "node:crypto";

import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Client as Calls } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { Admin } from "./gen/tidings/v1/admin_pb.js";
import {
  Consumer,
  ConsumeRequestSchema,
  PositionRunSchema,
  type ConsumeRequest,
  type Delivery,
  type PositionRun,
} from "./gen/tidings/v1/consumer_pb.js";
import { EventBatchSchema, EventSchema, type Event } from "./gen/tidings/v1/event_pb.js";
import { ProblemSchema, type Problem } from "./gen/tidings/v1/problem_pb.js";
import { Publisher, type PublishResult } from "./gen/tidings/v1/publisher_pb.js";

/** A refusal of the service. `code` is stable and has a page in docs/errors. */
export class TidingsError extends Error {
  readonly code: string;
  readonly field: string;
  readonly hint: string;

  constructor(problem: Problem) {
    const field = problem.field && ` (field ${problem.field})`;
    const hint = problem.hint && `; ${problem.hint}`;
    super(`${problem.code}: ${problem.detail}${field}${hint}`);
    this.code = problem.code;
    this.field = problem.field;
    this.hint = problem.hint;
  }

  /** The service's problem in the error of a call, or that error itself. */
  static of(error: unknown): unknown {
    const [problem] = error instanceof ConnectError ? error.findDetails(ProblemSchema) : [];
    return problem ? new TidingsError(problem) : error;
  }
}

/** An event id: the event's identity within its source, also when it is sent again. */
export function newId(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(randomUUID().replaceAll("-", ""), "hex"));
}

/** Nanoseconds since 1970. */
export function nanos(date: Date): bigint {
  return BigInt(date.getTime()) * 1_000_000n;
}

/** An event of a subscription and its place. */
export interface Delivered {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** It may have been delivered before. */
  readonly redelivered: boolean;
  readonly event: Event;
  readonly run: PositionRun;
}

/** A connection to a service at http://host:port. */
export class Client {
  readonly publisher: Calls<typeof Publisher>;
  readonly admin: Calls<typeof Admin>;
  private readonly consumer: Calls<typeof Consumer>;

  constructor(address: string) {
    const transport = createGrpcTransport({ baseUrl: address });
    this.publisher = createClient(Publisher, transport);
    this.consumer = createClient(Consumer, transport);
    this.admin = createClient(Admin, transport);
  }

  /**
   * Stores events. Each result names a place or carries the event's own refusal; repeating the same
   * events after an error stores nothing twice.
   */
  async publish(...events: MessageInitShape<typeof EventSchema>[]): Promise<PublishResult[]> {
    try {
      const request = { events: events.map((event) => create(EventSchema, event)) };
      return (await this.publisher.publish(request)).results;
    } catch (error) {
      throw TidingsError.of(error);
    }
  }

  /** Attaches to a subscription. */
  consume(subscription: string): Consuming {
    return new Consuming(this.consumer, subscription);
  }
}

/** Refusals that pass: attaching again may help. */
const PASSING = new Set([
  "LOG_READ_ONLY",
  "REBUILDING",
  "RESOURCE_EXHAUSTED",
  "SHUTTING_DOWN",
  "STORAGE_FULL",
  "SUBSCRIPTION_BUSY",
]);

/** How a broken connection ends a call, which the service has no word for any more. */
const BROKEN = new Set([Code.Aborted, Code.Canceled, Code.Internal, Code.Unavailable, Code.Unknown]);

/** Milliseconds between attempts to attach again: half of it to all of it, doubled each time. */
const BACKOFF_MIN = 100;
const BACKOFF_MAX = 5_000;

/**
 * A live attachment: iterate over deliveries, acknowledge what was handled, close. Once it was
 * attached, it attaches again when the connection breaks or the service restarts; what was not
 * confirmed then comes again, flagged `redelivered`.
 */
export class Consuming implements AsyncIterable<Delivered[]> {
  private asks = new Outbox<ConsumeRequest>();
  private abort = new AbortController();
  private unsettled = 0n;
  private closing = false;
  private attached = false;
  private backoff = BACKOFF_MIN;

  constructor(
    private readonly calls: Calls<typeof Consumer>,
    private readonly subscription: string,
  ) {}

  private ask(message: MessageInitShape<typeof ConsumeRequestSchema>["message"] & object): void {
    this.asks.push(create(ConsumeRequestSchema, { message }));
  }

  /** Settles these events for good. */
  ack(delivered: Delivered[]): void {
    this.unsettled += BigInt(delivered.length);
    this.ask({ case: "ack", value: { runs: delivered.map((one) => one.run) } });
  }

  /** Gives these events back, to be delivered again. */
  nack(delivered: Delivered[], delayMs = 0): void {
    const runs = delivered.map((one) => one.run);
    this.ask({ case: "nack", value: { runs, delayMs: BigInt(delayMs) } });
  }

  /** Ends the iteration once everything acknowledged is confirmed. */
  close(): void {
    this.closing = true;
    this.endWhenSettled();
  }

  private endWhenSettled(): void {
    if (this.closing && this.unsettled === 0n) {
      this.asks.end();
      this.abort.abort();
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Delivered[]> {
    for (;;) {
      try {
        yield* this.attachment();
        if (this.closing) return;
      } catch (error) {
        if (this.closing && ConnectError.from(error).code === Code.Canceled) return;
        const fault = TidingsError.of(error);
        if (this.closing || !this.attached || !passes(fault)) throw fault;
      }
      const wait = (this.backoff * (1 + Math.random())) / 2;
      this.backoff = Math.min(2 * this.backoff, BACKOFF_MAX);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  /** What one stream brings, to its end. */
  private async *attachment(): AsyncGenerator<Delivered[]> {
    const topics = new Map<bigint, string>();
    // What was asked of the stream before will never be answered.
    this.asks.end();
    this.asks = new Outbox();
    this.abort = new AbortController();
    this.unsettled = 0n;
    const consumer = `node-${process.pid}`;
    // This client reads bodies as they are stored.
    const open = { subscription: this.subscription, consumer, compression: "none" };
    this.ask({ case: "open", value: open });
    this.ask({ case: "credit", value: { events: 65_536n, bytes: 16n << 20n } });
    this.endWhenSettled();
    for await (const { message } of this.calls.consume(this.asks, { signal: this.abort.signal })) {
      if (message.case === "opened") {
        this.attached = true;
        this.backoff = BACKOFF_MIN;
      } else if (message.case === "topic") {
        topics.set(message.value.topicId, message.value.name);
      } else if (message.case === "delivery" && !this.closing) {
        const delivery = message.value;
        yield events(delivery, topics.get(delivery.topicId) ?? "");
        const size = { events: counted(delivery), bytes: BigInt(delivery.body.length) };
        this.ask({ case: "credit", value: size });
      } else if (message.case === "confirmed") {
        for (const run of [...message.value.runs, ...message.value.stale]) {
          this.unsettled -= run.last - run.first + 1n;
        }
        this.endWhenSettled();
      } else if (message.case === "gap") {
        const { count, partition, reason } = message.value;
        console.warn(`gap: ${count} events of partition ${partition}: ${reason}`);
      } else if (message.case === "error") {
        throw new TidingsError(message.value);
      }
    }
  }
}

function passes(fault: unknown): boolean {
  if (fault instanceof TidingsError) return PASSING.has(fault.code);
  return fault instanceof ConnectError && BROKEN.has(fault.code);
}

function counted(delivery: Delivery): bigint {
  return delivery.offsets.reduce((sum, run) => sum + BigInt(run.count), 0n);
}

function events(delivery: Delivery, topic: string): Delivered[] {
  const { topicId, epoch, partition } = delivery;
  const offsets = delivery.offsets.flatMap((run) =>
    Array.from({ length: run.count }, (_, at) => run.first + BigInt(at)),
  );
  return fromBinary(EventBatchSchema, delivery.body).events.map((event, at) => {
    const offset = offsets[at];
    if (offset === undefined) throw new Error("a delivery has not one offset per event");
    const place = { topicId, epoch, partition, first: offset, last: offset };
    const redelivered = delivery.redelivered.some(
      ({ first, count }) => offset >= first && offset < first + BigInt(count),
    );
    const run = create(PositionRunSchema, place);
    return { topic, partition, offset, redelivered, event, run };
  });
}

/** Messages on their way out, as the transport asks for them. */
class Outbox<T> implements AsyncIterable<T> {
  private readonly waiting: T[] = [];
  private wake: () => void = () => {};
  private ended = false;

  push(item: T): void {
    this.waiting.push(item);
    this.wake();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
        yield next;
      }
      if (this.ended) return;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
