//! Asks for the newest indicators of an instrument: the state, not the stream.
//!
//! `cargo run -p tidings-examples --bin last_value -- http://127.0.0.1:8080 AAPL`

use std::error::Error;

use tidings_client::Client;
use tidings_event::Code;
use tidings_examples::url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let instrument = std::env::args().nth(2).unwrap_or_else(|| "AAPL".to_owned());
    let client = Client::connect(&url()).await?;
    match client.rest().last_value("indicators", &instrument, Some("5m"), None).await {
        Ok(event) => println!("{} as of {}", event["indicators"]["values"], event["as_of"]),
        Err(error) if error.is(Code::ValueUnknown) => println!("nothing is known of {instrument}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
