//! Correlation of the popular instruments, pair by pair.

use std::collections::VecDeque;

use tidings_event::v1;

/// Above this a pair counts as highly correlated.
const HIGH: f64 = 0.7;

/// Fewest returns a correlation is computed from.
const RETURNS_MIN: usize = 10;

/// Keeps the last returns of a few instruments, aligned by interval.
#[derive(Clone, Debug)]
pub struct Correlator {
    matrix_id: String,
    instruments: Vec<String>,
    window: usize,
    returns: Vec<VecDeque<f64>>,
}

impl Correlator {
    /// For these instruments, over the last `window` intervals.
    #[must_use]
    pub fn new(matrix_id: &str, instruments: Vec<String>, window: usize) -> Self {
        let returns = vec![VecDeque::with_capacity(window); instruments.len()];
        Self { matrix_id: matrix_id.to_owned(), instruments, window, returns }
    }

    /// The returns of one interval, in the order of the instruments; 0 where nothing was traded.
    pub fn push(&mut self, returns: impl IntoIterator<Item = f64>) {
        for (kept, new) in self.returns.iter_mut().zip(returns) {
            if kept.len() == self.window {
                kept.pop_front();
            }
            kept.push_back(new);
        }
    }

    /// Every pair's correlation; `None` before there are enough returns.
    #[must_use]
    pub fn pairs(&self) -> Option<v1::Correlation> {
        if self.returns.first()?.len() < RETURNS_MIN {
            return None;
        }
        let indices = 0..self.instruments.len();
        let pairs: Vec<v1::CorrelationPair> = indices
            .flat_map(|a| (a + 1..self.instruments.len()).map(move |b| (a, b)))
            .filter_map(|(a, b)| self.pair(a, b))
            .collect();
        let summary = summary(&pairs)?;
        Some(v1::Correlation {
            matrix_id: self.matrix_id.clone(),
            kind: v1::CorrelationKind::Pairs.into(),
            method: "pearson".to_owned(),
            window_days: 1,
            instruments: self.instruments.clone(),
            pairs,
            summary: Some(summary),
            ..Default::default()
        })
    }

    fn pair(&self, a: usize, b: usize) -> Option<v1::CorrelationPair> {
        let value = pearson(&self.returns[a], &self.returns[b])?;
        let (a, b) = (self.instruments[a].clone(), self.instruments[b].clone());
        Some(v1::CorrelationPair { a, b, value, p_value: None })
    }
}

fn summary(pairs: &[v1::CorrelationPair]) -> Option<v1::CorrelationSummary> {
    if pairs.is_empty() {
        return None;
    }
    let values = || pairs.iter().map(|p| p.value);
    Some(v1::CorrelationSummary {
        avg: Some(values().sum::<f64>() / pairs.len() as f64),
        max: values().reduce(f64::max),
        min: values().reduce(f64::min),
        high_pairs: u32::try_from(values().filter(|v| v.abs() >= HIGH).count()).unwrap_or(u32::MAX),
    })
}

/// Pearson's coefficient; `None` where one side never moves.
fn pearson(a: &VecDeque<f64>, b: &VecDeque<f64>) -> Option<f64> {
    let count = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / count, b.iter().sum::<f64>() / count);
    let (mut covariance, mut variance_a, mut variance_b) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        covariance += x * y;
        variance_a += x * x;
        variance_b += y * y;
    }
    let value = covariance / (variance_a * variance_b).sqrt();
    value.is_finite().then_some(value.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests;
