//! The calls about dead letters.

use std::fmt::Write;

use http::Method;
use tidings_wire::rest::{
    DeadLetterDocument, DeadLetterListDocument, DeadLetterSelectionDocument,
    DeadLettersChangedDocument,
};

use super::{Rest, encode, subscription_path};
use crate::ClientError;

impl Rest {
    /// A part of a subscription's dead letters: the first one, or the one that a cursor continues
    /// with.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`, `CURSOR_INVALID`.
    pub async fn dead_letters(
        &self,
        name: &str,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<DeadLetterListDocument, ClientError> {
        let mut path = subscription_path(name, &format!("/dead-letters?limit={limit}"));
        if let Some(cursor) = cursor {
            // Writing to a String cannot fail.
            let _infallible = write!(path, "&cursor={}", encode(cursor));
        }
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// One dead letter.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`, `DEAD_LETTER_UNKNOWN`, `POSITION_INVALID`.
    pub async fn dead_letter(
        &self,
        name: &str,
        position: &str,
    ) -> Result<DeadLetterDocument, ClientError> {
        let path = subscription_path(name, &format!("/dead-letters/{}", encode(position)));
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// Has dead letters delivered again; answers when that is durable.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`, `POSITION_INVALID`.
    pub async fn redrive(
        &self,
        name: &str,
        selection: &DeadLetterSelectionDocument,
    ) -> Result<DeadLettersChangedDocument, ClientError> {
        let path = subscription_path(name, "/dead-letters/redrive");
        self.call(Method::POST, &path, Some(selection)).await
    }

    /// Removes dead letters for good.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`, `POSITION_INVALID`.
    pub async fn discard(
        &self,
        name: &str,
        selection: &DeadLetterSelectionDocument,
    ) -> Result<DeadLettersChangedDocument, ClientError> {
        let path = subscription_path(name, "/dead-letters/discard");
        self.call(Method::POST, &path, Some(selection)).await
    }
}
