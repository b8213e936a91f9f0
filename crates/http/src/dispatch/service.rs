//! The handler as a service of actix: what can be answered at once is, without a future of its own and without the machinery
//! of extractors.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse, fn_service};
use actix_web::{Error, FromRequest, web};

use super::{answer_at_once, entry};
use crate::state::Worker;

/// The service that answers everything.
pub(crate) fn service(
    worker: Worker,
) -> impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>
{
    let worker = Rc::new(worker);
    fn_service(move |request: ServiceRequest| {
        let (request, mut payload) = request.into_parts();
        if let Some(response) = answer_at_once(&request, &worker) {
            return Answering::Done(Some(ServiceResponse::new(request, response)));
        }
        let worker = Rc::clone(&worker);
        Answering::Waiting(Box::pin(async move {
            let payload = web::Payload::from_request(&request, &mut payload).await?;
            let response = entry(&request, payload, &worker).await;
            Ok(ServiceResponse::new(request, response))
        }))
    })
}

/// An answer that is there, or on its way.
enum Answering<F> {
    Done(Option<ServiceResponse>),
    Waiting(Pin<Box<F>>),
}

impl<F: Future<Output = Result<ServiceResponse, Error>>> Future for Answering<F> {
    type Output = Result<ServiceResponse, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Done(answer) => answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
            Self::Waiting(future) => future.as_mut().poll(context),
        }
    }
}
