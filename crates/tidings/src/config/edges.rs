//! What the service mirrors to topics of Pulsar, by the configuration.

use std::collections::HashSet;

use tidings_catalog::{Filter, Start, TopicPattern};
use tidings_edge::{EdgeSettings, Form, Target};
use tidings_event::Refusal;
use tidings_log_pulsar::{OptionError, PulsarOptions, Security};

use super::ConfigError;
use super::engine::{Engine, file};
use super::written::{WrittenEdge, WrittenEdges};

/// One edge, and the link to where it goes.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredEdge {
    pub(crate) settings: EdgeSettings,
    pub(crate) options: PulsarOptions,
}

/// Checks the section. `pulsar` is what `[engine.pulsar]` says, whoever keeps the log.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn declared(
    written: &WrittenEdges,
    pulsar: &PulsarOptions,
    engine: &Engine,
) -> Result<Vec<DeclaredEdge>, ConfigError> {
    let mut names = HashSet::new();
    let edges = written.mirrored.iter().enumerate().map(|(at, edge)| {
        let reading = Reading { at, edge };
        if !names.insert(&edge.name) {
            let hint = "its subscription and its producers are named by it";
            return Err(reading.wrong("name", "another edge has this name", hint));
        }
        let settings = reading.settings(pulsar)?;
        let options = reading.options(pulsar)?;
        if let Engine::Pulsar(log) = engine {
            reading.not_the_logs(&settings.target, &options, log)?;
        }
        Ok(DeclaredEdge { settings, options })
    });
    edges.collect()
}

/// One edge as it is written.
struct Reading<'a> {
    at: usize,
    edge: &'a WrittenEdge,
}

impl Reading<'_> {
    fn wrong(&self, key: &str, problem: &str, hint: &str) -> ConfigError {
        let place = format!("edges.mirrored[{}].{key}", self.at);
        let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
        ConfigError::Invalid { place, problem: problem.to_owned(), hint }
    }

    fn refused(&self, key: &str, refusal: &Refusal) -> ConfigError {
        self.wrong(key, &refusal.detail, &refusal.hint)
    }

    fn settings(&self, pulsar: &PulsarOptions) -> Result<EdgeSettings, ConfigError> {
        let edge = self.edge;
        let patterns = edge.topics.iter().map(|text| TopicPattern::parse(text));
        let topics = patterns.collect::<Result<_, _>>().map_err(|r| self.refused("topics", &r))?;
        let filter = match edge.filter.as_str() {
            "" => None,
            text => Some(Filter::compile(text).map_err(|r| self.refused("filter", &r))?),
        };
        let one_of = |key, value: &str, rule: &str| self.wrong(key, &format!("`{value}`"), rule);
        let form = match edge.format.as_str() {
            "json" => Form::Json,
            "protobuf" => Form::Protobuf,
            other => return Err(one_of("format", other, "it must be json or protobuf")),
        };
        let start = match edge.start.as_str() {
            "latest" => Start::Latest,
            "earliest" => Start::Earliest,
            other => return Err(one_of("start", other, "it must be latest or earliest")),
        };
        let target = Target::parse(&edge.target)
            .map_err(|error| one_of("target", &edge.target, &error.to_string()))?;
        let settings = EdgeSettings {
            name: edge.name.clone(),
            topics,
            filter,
            start,
            form,
            target,
            window: edge.window,
            answer_max: pulsar.answer_max,
        };
        let of_subscription = |refusal: Refusal| match refusal.field.as_str() {
            "max_in_flight" => self.refused("window", &refusal),
            field => self.refused(field, &refusal),
        };
        settings.spec().check().map_err(of_subscription)?;
        Ok(settings)
    }

    /// The link: that of `[engine.pulsar]`, or, with an address, one of its own. Nothing is mixed: what says to one cluster
    /// who this is must not be sent to another.
    fn options(&self, pulsar: &PulsarOptions) -> Result<PulsarOptions, ConfigError> {
        let edge = self.edge;
        let files = [
            ("ca_file", &edge.ca_file),
            ("certificate_file", &edge.certificate_file),
            ("key_file", &edge.key_file),
            ("token_file", &edge.token_file),
        ];
        if edge.url.is_empty() {
            if let Some((key, value)) = files.into_iter().find(|(_, name)| !name.is_empty()) {
                let hint = "name the `url` that it is for, or leave it out: then the link is that of engine.pulsar";
                return Err(self.wrong(key, &format!("`{value}`"), hint));
            }
            self.checked(pulsar.check_files(), "engine.pulsar.")?;
            return Ok(pulsar.clone());
        }
        let [ca_file, certificate_file, key_file, token_file] = files.map(|(_, name)| file(name));
        let options = PulsarOptions {
            url: edge.url.clone(),
            security: Security { ca_file, certificate_file, key_file, token_file, token: None },
            answer_max: pulsar.answer_max,
            ..PulsarOptions::default()
        };
        self.checked(options.check(), "")?;
        self.checked(options.check_files(), "")?;
        Ok(options)
    }

    fn checked(&self, wrong: Vec<OptionError>, section: &str) -> Result<(), ConfigError> {
        let Some(OptionError { setting, value, rule }) = wrong.into_iter().next() else {
            return Ok(());
        };
        Err(self.wrong(&format!("{section}{setting}"), &format!("`{value}`"), &rule))
    }

    /// The log's own topics are nobody else's to write.
    fn not_the_logs(
        &self,
        target: &Target,
        options: &PulsarOptions,
        log: &PulsarOptions,
    ) -> Result<(), ConfigError> {
        let namespace = format!("{}/{}", log.tenant, log.namespace);
        if options.url != log.url || target.namespace() != namespace {
            return Ok(());
        }
        let problem = format!("`{}` is in the namespace of the log", self.edge.target);
        Err(self.wrong("target", &problem, "name another namespace"))
    }
}

#[cfg(test)]
mod tests;
