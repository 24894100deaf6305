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

/** A live attachment: iterate over deliveries, acknowledge what was handled, close. */
export class Consuming implements AsyncIterable<Delivered[]> {
  private readonly asks = new Outbox<ConsumeRequest>();
  private readonly abort = new AbortController();
  private unsettled = 0n;
  private closing = false;

  constructor(
    private readonly calls: Calls<typeof Consumer>,
    subscription: string,
  ) {
    this.ask({ case: "open", value: { subscription, consumer: `node-${process.pid}` } });
    this.ask({ case: "credit", value: { events: 65_536n, bytes: 16n << 20n } });
  }

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
    const topics = new Map<bigint, string>();
    try {
      const answers = this.calls.consume(this.asks, { signal: this.abort.signal });
      for await (const { message } of answers) {
        if (message.case === "topic") {
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
    } catch (error) {
      if (this.closing && ConnectError.from(error).code === Code.Canceled) return;
      throw TidingsError.of(error);
    }
  }
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
    return { topic, partition, offset, event, run: create(PositionRunSchema, place) };
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
