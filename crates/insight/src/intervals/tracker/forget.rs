//! What the tracker gives up: what is old, and what is too much.

use super::{Place, Tracker};

impl Tracker {
    /// Forgets what is old in a series that got one more interval, and what is too much at all.
    pub(super) fn forget(&mut self, at: usize) {
        while let Some(start) = self.series.get(at).and_then(|s| s.as_ref()?.surplus()) {
            self.drop_interval((at, start));
        }
        while self.intervals > self.settings.intervals_max {
            let all = self.series.iter().enumerate().filter_map(|(at, s)| Some((at, s.as_ref()?)));
            let opened = all.flat_map(|(at, series)| {
                series.intervals.iter().map(move |(&start, i)| (i.opened, (at, start)))
            });
            let Some((_, place)) = opened.min() else { return };
            self.drop_interval(place);
            self.counts.dropped += 1;
        }
    }

    fn drop_interval(&mut self, place: Place) {
        let Some(Some(series)) = self.series.get_mut(place.0) else { return };
        let Some(interval) = series.intervals.remove(&place.1) else { return };
        series.floor = series.floor.max(Some(place.1));
        self.intervals -= 1;
        self.agenda.remove(&(interval.due, place));
        self.agenda.remove(&(interval.not_before, place));
        if series.intervals.is_empty() {
            self.names -= series.names.len();
            self.series[place.0] = None;
            self.places.retain(|_, at| *at != place.0);
            self.last.0.clear();
            return;
        }
        self.touch_followers(place.0, place.1);
    }
}
