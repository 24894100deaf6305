//! Market data for demo, bench and tests: bars, indicators, and the events they become.
//!
//! Bars come from CSV files ([`csv`]) or from a seeded market ([`generate`]); [`indicators`]
//! computes what TA-Lib computes; [`detect`] and [`correlate`] find what else there is to report;
//! [`event`] writes it down as canonical events. [`session`] puts all of it together for a market
//! day, [`analyst`] for one series. [`load`] makes events as fast as a bench can take them, [`blocks`]
//! groups them for sending.
//!
//! Pure: time and randomness come from the caller. Never on the data path of the service.

pub mod analyst;
pub mod bar;
pub mod blocks;
pub mod correlate;
pub mod csv;
pub mod detect;
pub mod event;
pub mod generate;
pub mod indicators;
pub mod load;
pub mod session;
pub mod timeframe;

pub use analyst::Analyst;
pub use bar::{Bar, Series};
pub use blocks::{Blocks, LoadBlock};
pub use csv::{BarReader, CsvError, CsvOptions, Stamp};
pub use event::{Author, Revision};
pub use generate::{Market, MarketOptions};
pub use indicators::{Indicators, Reading, Readings};
pub use load::{Load, LoadOptions};
pub use session::{Session, SessionOptions};
pub use timeframe::{Timeframe, TimeframeError};
