//! A consumer of a stream: the service's end and the consumer's, and a connection between them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidings_checker::Op;
use tidings_checker::history;
use tidings_deliver::{Attach, Delivery, Outgoing, Run, Session};
use tidings_event::block::events;
use tidings_event::{Offset, Position, scan};
use tokio::task::JoinSet;

use super::Subscriber;
use crate::event::{hash, hex};
use crate::network::{self, Inlet, Outlet, pipe};
use crate::node::{Node, TENANT};

/// What the service's end is told.
enum Told {
    Grant(u64),
    UpTo(Position),
    Ack(Vec<Run>),
    Nack(Vec<Run>),
}

/// What it says.
enum Said {
    Out(Box<Outgoing>),
    /// It knows what was given back.
    TakenBack(Vec<Run>),
}

pub(super) async fn consume(
    subscriber: &Arc<Subscriber>,
    node: &Arc<Node>,
    name: &str,
    is_sound: bool,
) {
    let world = &subscriber.world;
    if network::trip(world, is_sound).await.is_err() {
        return;
    }
    let attach = Attach { consumer: name.to_owned(), ..Attach::default() };
    let Ok(session) = node.deliver.attach_with(TENANT, subscriber.name(), attach) else { return };
    let ((out, said), (tell, told)) = (pipe(world), pipe(world));
    let mut door = JoinSet::new();
    door.spawn(serve(Arc::clone(subscriber), session, out, told));
    let mut consumer = Consumer {
        subscriber: Arc::clone(subscriber),
        node: Arc::clone(node),
        name: name.to_owned(),
        tell,
        is_sound,
    };
    consumer.run(said).await;
    // The connection is gone; the service learns of it when it next says or hears something.
    drop(consumer);
    while door.join_next().await.is_some() {}
}

/// The service's end. A gap is told when it is handed to the connection: it is not told again when that dies.
async fn serve(
    subscriber: Arc<Subscriber>,
    mut session: Session,
    mut out: Inlet<Said>,
    mut told: Outlet<Told>,
) {
    speak(&subscriber, &mut session, &mut out, &mut told).await;
    // What it has in flight goes to somebody else from here on.
    subscriber.mark("reconnect");
}

async fn speak(
    subscriber: &Subscriber,
    session: &mut Session,
    out: &mut Inlet<Said>,
    told: &mut Outlet<Told>,
) {
    loop {
        tokio::select! {
            biased;
            message = told.next() => match message {
                None => return,
                Some(Told::Grant(events)) => session.grant(events, 1 << 20),
                Some(Told::UpTo(position)) => session.ack(vec![position], Vec::new()),
                Some(Told::Ack(runs)) => session.ack(Vec::new(), runs),
                Some(Told::Nack(runs)) => {
                    session.nack(runs.clone(), std::time::Duration::ZERO);
                    if !out.send(Said::TakenBack(runs)) {
                        return;
                    }
                }
            },
            next = session.next() => match next {
                Some(next) => {
                    if let Outgoing::Gap(notice) = &next {
                        subscriber.gap(notice);
                    }
                    if !out.send(Said::Out(Box::new(next))) {
                        return;
                    }
                }
                None => return,
            },
        }
    }
}

/// The consumer's end.
struct Consumer {
    subscriber: Arc<Subscriber>,
    node: Arc<Node>,
    name: String,
    tell: Inlet<Told>,
    is_sound: bool,
}

impl Consumer {
    async fn run(&mut self, mut said: Outlet<Said>) {
        let world = Arc::clone(&self.subscriber.world);
        let credit = world.number(1..60);
        self.tell.send(Told::Grant(credit));
        loop {
            let message = tokio::select! {
                biased;
                message = said.next() => message,
                () = world.pause(20_000..40_000) => {
                    if self.subscriber.is_held.load(Ordering::Relaxed) { return }
                    continue;
                }
            };
            if self.tell.is_over() {
                // Reset: what was still on its way is lost with it.
                return;
            }
            if !self.is_sound && world.one_in(80) {
                world.count("connections cut", 1);
                return;
            }
            match message {
                None => return,
                Some(Said::TakenBack(runs)) => {
                    for run in &runs {
                        let range = self.subscriber.range(&self.node, run);
                        self.subscriber.record(Op::Gate(range));
                    }
                }
                Some(Said::Out(out)) => match *out {
                    Outgoing::Delivery(delivery) => {
                        self.take(&delivery).await;
                        self.tell.send(Told::Grant(delivery.count.into()));
                    }
                    Outgoing::Confirmed { runs, .. } => {
                        for run in &runs {
                            let range = self.subscriber.range(&self.node, run);
                            self.subscriber.record(Op::Ack(range));
                        }
                    }
                    Outgoing::Closed(_) => return,
                    Outgoing::Gap(_)
                    | Outgoing::Paused { .. }
                    | Outgoing::Resumed { .. }
                    | Outgoing::Extended { .. } => {}
                },
            }
        }
    }

    /// Takes events in, and says what it makes of them.
    async fn take(&mut self, delivery: &Delivery) {
        let world = Arc::clone(&self.subscriber.world);
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let offsets = delivery.offsets.iter();
        let offsets = offsets.flat_map(|&(first, count)| first.0..first.0 + u64::from(count));
        for (offset, event) in offsets.zip(events(&delivery.body).map_while(Result::ok)) {
            let number = self.received(delivery, offset, event);
            let run = Run {
                topic: delivery.topic.id,
                epoch: delivery.epoch,
                partition: delivery.partition,
                first: Offset(offset),
                last: Offset(offset),
            };
            if self.subscriber.judge(number, self.is_sound) {
                good.push(run);
            } else {
                bad.push(run);
            }
        }
        if !self.is_sound && world.one_in(12) {
            world.count("consumers stalled", 1);
            world.pause(50_000..400_000).await;
        }
        if !bad.is_empty() {
            for run in &bad {
                let range = self.subscriber.range(&self.node, run);
                self.subscriber.record(Op::Nack(range));
            }
            world.count("events given back", bad.len() as u64);
            self.tell.send(Told::Nack(bad));
        }
        // Some consumers acknowledge everything so far at once.
        match good.last() {
            Some(last) if world.one_in(3) => {
                let position = Position {
                    topic: last.topic,
                    epoch: last.epoch,
                    partition: last.partition,
                    offset: last.last,
                };
                self.tell.send(Told::UpTo(position));
            }
            Some(_) => {
                self.tell.send(Told::Ack(good));
            }
            None => {}
        }
    }

    /// Writes an event down; its number.
    fn received(&self, delivery: &Delivery, offset: u64, event: &[u8]) -> u64 {
        let holds =
            |first: Offset, count: u32| (first.0..first.0 + u64::from(count)).contains(&offset);
        let attempt = delivery.attempts.iter().find(|&&(first, count, _)| holds(first, count));
        let attempt = attempt.map_or(1, |&(_, _, attempt)| attempt);
        let redelivered = delivery.redelivered.iter().any(|&(first, count)| holds(first, count));
        let redriven = delivery.redriven.iter().any(|&(first, count)| holds(first, count));
        let world = &self.subscriber.world;
        world.count("deliveries", 1);
        world.count("redeliveries", u64::from(redelivered || attempt > 1));
        world.count("redriven", u64::from(redriven));
        let at = (delivery.topic.name.path(), delivery.partition.0, offset);
        self.subscriber.delivered(&self.name, at, event, (attempt, redelivered || redriven))
    }
}

impl Subscriber {
    /// Writes an event down that a consumer was given; its number.
    pub(super) fn delivered(
        &self,
        consumer: &str,
        (topic, partition, offset): (&str, u32, u64),
        event: &[u8],
        (attempt, redelivered): (u32, bool),
    ) -> u64 {
        let Ok(envelope) = scan(event) else {
            self.world.count("events that are none", 1);
            return 0;
        };
        self.record(Op::Delivery(history::Delivery {
            subscription: self.name().into(),
            consumer: consumer.into(),
            topic: topic.into(),
            partition,
            offset,
            event: hex(&envelope.id).into(),
            hash: hash(event).into(),
            key: envelope.instrument.into(),
            attempt,
            redelivered,
            tenant: Some(crate::node::TENANT.into()),
        }));
        let mut number = [0; 8];
        number.copy_from_slice(&envelope.id[8..]);
        u64::from_be_bytes(number) - 1
    }
}
