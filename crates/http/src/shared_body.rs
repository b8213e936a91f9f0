//! The body of an answer that many answers share, handed to the connection in pieces.
//!
//! The HTTP library copies each piece into the buffer of the connection. In one piece, a client that reads slowly would
//! hold a whole copy of the document.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;

/// Bytes of a piece: as many as the library's buffer takes before it waits for the client.
const PIECE: usize = 32 * 1024;

/// What is left of a shared document.
pub(crate) struct SharedBody(pub(crate) Bytes);

impl MessageBody for SharedBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.0.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let rest = &mut self.get_mut().0;
        let piece = rest.split_to(PIECE.min(rest.len()));
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[track_caller]
    fn check(length: usize) {
        let document: Bytes = (0..length).map(|index| (index % 251) as u8).collect();
        let mut body = SharedBody(document.clone());
        assert_eq!(body.size(), BodySize::Sized(length as u64));
        let mut context = Context::from_waker(Waker::noop());
        let mut sent = Vec::new();
        while let Poll::Ready(Some(Ok(piece))) = Pin::new(&mut body).poll_next(&mut context) {
            assert!(piece.len() <= PIECE);
            // A part of the document itself, no copy.
            assert_eq!(piece.as_ptr(), document[sent.len()..].as_ptr());
            sent.extend_from_slice(&piece);
        }
        assert_eq!(sent, document);
    }

    #[test]
    fn the_whole_document_is_sent_in_pieces() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5] {
            check(length);
        }
    }
}
