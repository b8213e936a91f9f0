//! Kickstart: a file of API keys and requests with which an empty instance begins (FusionAuth: Kickstart).
//!
//! The whole of it is one transaction of the database, the making of the instance included: requests go through the gate and
//! the operations as those over the network do, on a store whose writes are savepoints. Whatever ends it early, a refused
//! request or the end of the process, leaves the database empty.

mod call;
mod document;
mod file;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use claviger_crypto::{ApiKeyFormat, SystemRandom};
use claviger_domain::{Actor, ApiKeyId, Change, SecretText, TenantId};
use claviger_storage::Store;

use crate::answer::Body;
use crate::error::ApiError;
use crate::ops::api_key::CreateApiKey;
use crate::ops::default_roles;
use crate::ops::instance::{self, InstanceError, InstanceIds};
use crate::ops::kickstart_api_key;
use crate::options::ServerOptions;
use crate::routes::Dialect;
use crate::server::{ServerError, assemble, loader};
use crate::state::{AppState, Derived};

pub use file::KickstartFileError;

/// The characters of an error's body that a report repeats at most.
const LONGEST_BODY: usize = 4096;

/// Looks up an environment variable.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Which Kickstart file to use.
#[derive(Clone)]
pub struct KickstartSource {
    /// The file. It is only read when there is no instance yet.
    pub file: PathBuf,
    /// What `#{ENV.NAME}` stands for.
    pub environment: Environment,
}

impl fmt::Debug for KickstartSource {
    /// Without the environment, which holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KickstartSource").field("file", &self.file).finish_non_exhaustive()
    }
}

/// A Kickstart file that was read: variables are replaced, files that it names included. Holds secrets, and so cannot be
/// printed.
pub struct Kickstart {
    ids: InstanceIds,
    api_keys: Vec<NewKey>,
    requests: Vec<Request>,
    without_effect: Vec<String>,
}

impl Kickstart {
    /// Reads a file, applying nothing.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place and without any value.
    pub fn read(source: &KickstartSource) -> Result<Self, KickstartFileError> {
        document::read(source)
    }

    /// Members of the file that are known, but change nothing here.
    #[must_use]
    pub fn without_effect(&self) -> &[String] {
        &self.without_effect
    }
}

/// One of the file's API keys.
struct NewKey {
    id: ApiKeyId,
    value: SecretText,
    command: CreateApiKey,
}

/// One of the file's requests.
struct Request {
    method: claviger_domain::Method,
    /// For messages: as it stands in the file, because variables can hold secrets.
    url_as_written: String,
    url: String,
    /// The text of the member `tenantId`.
    tenant_id: Option<String>,
    content_type: String,
    body: Vec<u8>,
}

/// Why a Kickstart did not take place. Nothing of it stays then.
#[derive(Debug, thiserror::Error)]
pub enum KickstartError {
    /// The file cannot be used.
    #[error("the Kickstart file {0}")]
    File(#[from] KickstartFileError),
    /// A request was not answered with success.
    #[error("the Kickstart file {}: request {number} ({method} {url}) {answer}; nothing of the file was applied", .file.display())]
    Request {
        /// The file.
        file: PathBuf,
        /// Which request, from 1.
        number: usize,
        /// Its method.
        method: &'static str,
        /// Its URL as it stands in the file.
        url: String,
        /// The answer to it.
        answer: KickstartAnswer,
    },
    /// An API key could not be made.
    #[error("the Kickstart file {}: API key {number} {answer}; nothing of the file was applied", .file.display())]
    ApiKey {
        /// The file.
        file: PathBuf,
        /// Which API key, from 1.
        number: usize,
        /// Why.
        answer: KickstartAnswer,
    },
}

/// What the API answers to something that it does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KickstartAnswer {
    /// The status.
    pub status: u16,
    /// Why, in the words of the log.
    pub reason: String,
    /// The body: the API's own words, which repeat no value of a request.
    pub body: String,
}

impl fmt::Display for KickstartAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is answered with {} ({})", self.status, self.reason)?;
        if self.body.is_empty() { Ok(()) } else { write!(f, ": {}", self.body) }
    }
}

impl KickstartAnswer {
    fn new(error: &ApiError, dialect: Dialect) -> Self {
        let answer = error.answer(dialect);
        let mut body = match answer.body {
            Body::Json(text) | Body::Text(_, text) => text,
            Body::SharedJson(_) | Body::Empty => String::new(),
        };
        if let Some((end, _)) = body.char_indices().nth(LONGEST_BODY) {
            body.truncate(end);
            body.push('…');
        }
        Self { status: answer.status, reason: error.to_string(), body }
    }
}

/// Applies the Kickstart file, if one is configured and the database holds no instance yet.
///
/// # Errors
/// When the file cannot be used, or anything that it asks for is refused; the database is as it was then.
pub(crate) fn apply(
    store: &Store,
    format: &ApiKeyFormat,
    options: &ServerOptions,
) -> Result<(), ServerError> {
    let Some(source) = &options.kickstart else { return Ok(()) };
    let file = source.file.display();
    if instance::exists(store)? {
        tracing::info!(%file, "the Kickstart file is skipped: the database holds an instance already");
        return Ok(());
    }
    let kickstart = Kickstart::read(source).map_err(KickstartError::from)?;
    let (api_keys, requests) = (kickstart.api_keys.len(), kickstart.requests.len());
    tracing::info!(%file, api_keys, requests, "applying the Kickstart file");
    for member in &kickstart.without_effect {
        tracing::warn!(%file, member, "a member of the Kickstart file has no effect");
    }
    if kickstart.api_keys.iter().all(|key| key.command.fields.key_manager != Some(true)) {
        tracing::warn!(
            %file,
            "no API key of the Kickstart file is a key manager: without one no further keys can be made through the API"
        );
    }
    let tenant_id = kickstart.ids.default_tenant_id;
    store
        .in_one_transaction(Actor::Kickstart, |inner| run(inner, format, options, kickstart, &source.file))?;
    let default_tenant_id = tenant_id.to_string();
    tracing::info!(%file, api_keys, requests, default_tenant_id, "the Kickstart file is applied");
    Ok(())
}

fn run(
    store: &Store,
    format: &ApiKeyFormat,
    options: &ServerOptions,
    kickstart: Kickstart,
    file: &Path,
) -> Result<(), ServerError> {
    let derived = Arc::new(Derived::new());
    let listener = Arc::clone(&derived);
    store.set_listener(Arc::new(move |changes: &[Change]| listener.apply(changes)))?;
    let opened = instance::make(store, &options.master_key, &kickstart.ids, None, &options.clock)?;
    default_roles::ensure(store, &mut SystemRandom, (options.clock)()).map_err(InstanceError::from)?;
    let serving = Arc::new(store.serve(options.lease, loader(store, &derived))?);
    let state = assemble(options, format, store.clone(), derived, opened, serving)?;
    let mut keys = kickstart.api_keys.into_iter().zip(1..);
    let Some((first, number)) = keys.next() else { return Ok(()) };
    let credential = SecretText::from(first.value.expose().to_owned());
    make_key(&state, first, number, file)?;
    let of = kickstart.requests.len();
    for (request, number) in kickstart.requests.into_iter().zip(1_usize..) {
        let (method, url) = (request.method.as_str(), request.url_as_written.clone());
        match call::call(&state, &credential, request) {
            Ok(status) => {
                tracing::info!(request = number, of, method, url, status, "a Kickstart request is done")
            }
            Err(answer) => {
                return Err(
                    KickstartError::Request { file: file.to_owned(), number, method, url, answer }.into()
                );
            }
        }
    }
    // Not before: they may belong to tenants, and be bound to lists of addresses, that the requests make.
    for (key, number) in keys {
        make_key(&state, key, number, file)?;
    }
    Ok(())
}

fn make_key(state: &AppState, key: NewKey, number: usize, file: &Path) -> Result<(), ServerError> {
    let NewKey { id, value, command } = key;
    kickstart_api_key::create(state, id, value, command).map_err(|error| {
        let answer = KickstartAnswer::new(&error, Dialect::FusionAuth);
        KickstartError::ApiKey { file: file.to_owned(), number, answer }.into()
    })
}

/// Text that names a tenant, as the id of the default tenant must.
fn tenant_id(text: &str) -> Option<TenantId> {
    text.parse().ok()
}
