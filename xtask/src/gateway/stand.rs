//! The processes of the stand: Claviger as it is built here, and a gateway with the configuration that we ship.

use super::http::{Head, skip_body};
use super::verdict::Key;
use super::{TEST_ID, entity};
use crate::features::OpenSsl;
use crate::run::{Failure, Result, cargo, root, succeed};
use serde_json::{Map, Value, json};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The value of the first key manager.
const MANAGER: &str = "the key manager of the stand";
/// Who does not listen after this time does not start.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is changed in the configuration, so that it must be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// What clients say about themselves is passed on.
    Headers,
    /// The path is normalised after the decision.
    Path,
}

/// A gateway that is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gateway {
    Nginx,
    Caddy,
    Haproxy,
}

impl Gateway {
    pub(super) const ALL: [Self; 3] = [Self::Nginx, Self::Caddy, Self::Haproxy];

    /// The program, its name in texts, and the package of Debian.
    pub(super) const fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
        }
    }

    /// Where the program is; Debian keeps some out of an ordinary user's PATH.
    pub(super) fn find(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
            .map(|directory| directory.join(self.program()))
            .find(|program| program.is_file())
    }

    /// The configuration that is shipped.
    fn configuration(self) -> &'static str {
        match self {
            Self::Nginx => "docs/gateways/nginx.conf",
            Self::Caddy => "docs/gateways/Caddyfile",
            Self::Haproxy => "docs/gateways/haproxy.cfg",
        }
    }

    /// The lines that `sabotage` removes or changes: whether a line goes, and what becomes of it.
    fn sabotaged(self, line: &str, sabotage: Sabotage) -> Option<String> {
        let trimmed = line.trim_start();
        match (self, sabotage) {
            // What Claviger always says is still set.
            (Self::Nginx, Sabotage::Headers)
                if trimmed.starts_with("proxy_set_header X-Claviger-") && !trimmed.contains("-Key-Id ") =>
            {
                None
            }
            (Self::Nginx, Sabotage::Path) => {
                Some(line.replace("proxy_pass http://api;", "proxy_pass http://api/;"))
            }
            (Self::Caddy, Sabotage::Headers) if trimmed.starts_with("request_header -X-Claviger-") => None,
            (Self::Caddy, Sabotage::Path) if trimmed == "reverse_proxy 127.0.0.1:8080" => {
                Some(format!("rewrite * {{path}}?{{query}}\n{line}"))
            }
            (Self::Haproxy, Sabotage::Headers) if trimmed == "http-request del-header x-claviger- -m beg" => {
                None
            }
            (Self::Haproxy, Sabotage::Path) if trimmed == "default_backend api" => {
                Some(format!("    http-request set-path %[path,url_dec]\n{line}"))
            }
            _ => Some(line.to_owned()),
        }
    }
}

/// A program that ends with this value.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory that is removed with this value.
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// An empty directory.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn new(of: &str) -> Result<Self> {
        let path = root().join("target").join("xtask").join(format!("{of}-{}", std::process::id()));
        // A process of the same number may have left one behind.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).map_err(|error| Failure::file(&path, &error))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed lies in the target directory, which is nobody's.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Claviger with the keys of the stand.
pub(super) struct Claviger {
    pub(super) address: SocketAddr,
    pub(super) keys: Vec<Key>,
    _program: Program,
}

impl Claviger {
    /// Builds and starts it on an empty database, and makes the keys.
    ///
    /// # Errors
    /// It cannot be built or does not start.
    pub(super) fn start(directory: &Directory) -> Result<Self> {
        let mut build = cargo(["build", "--package=claviger"]);
        succeed(build.args(OpenSsl::detect().arguments(&["claviger".to_owned()])))?;
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root().join("target"), |path| root().join(path));
        let address = free_address()?;
        let mut command = Command::new(target.join("debug").join("claviger"));
        // Settings of whoever runs this are for other servers.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CLAVIGER_"))
        {
            command.env_remove(name);
        }
        let program = command
            .env("CLAVIGER_HTTP_ADDR", address.to_string())
            .env("CLAVIGER_DATA_DIR", directory.0.join("data"))
            .env("CLAVIGER_BOOTSTRAP_API_KEY", MANAGER)
            .env("CLAVIGER_TRUSTED_PROXIES", "127.0.0.1")
            .env("CLAVIGER_ENTITY_TOKEN_AUDIENCE", entity::API)
            .env("CLAVIGER_LOG", "error")
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| Failure::new(format!("claviger: {error}")))?;
        let mut program = Program(program);
        wait(&mut program, address, "claviger")?;
        let mut keys = keys(address)?;
        keys.push(entity::key(address)?);
        Ok(Self { address, keys, _program: program })
    }
}

fn keys(address: SocketAddr) -> Result<Vec<Key>> {
    let tenant = post(address, "/api/tenant", None, &json!({"tenant": {"name": "stand"}}))?;
    let tenant_id = tenant.pointer("/tenant/id").cloned().unwrap_or_default();
    let mut keys = Vec::new();
    // The longest names in any header, and names that say something to a gateway that reads values twice.
    let longest = "\u{1f511}".repeat(191);
    for (name, permissions, tenant_id) in [
        (Some(" 100% f\u{fc}r K\u{f6}ln "), Some("GET,POST:/v1/orders\nGET:/v1/orders/archive"), Value::Null),
        (None, Some("GET:/v1"), Value::Null),
        (Some(longest.as_str()), Some("DELETE,GET,PATCH,POST,PUT:/"), Value::Null),
        (None, None, tenant_id.clone()),
        (Some("{http.request.uri} $host %[path] \"a\", b; c"), None, tenant_id),
        (Some("{rp.header.X-Claviger-Api-Key-Name}"), None, Value::Null),
    ] {
        let mut members = json!({"name": name, "tenantId": tenant_id});
        if let Some(text) = permissions {
            let endpoints = text.lines().filter_map(|line| line.split_once(':'));
            let endpoints: Map<_, _> = endpoints
                .map(|(methods, path)| (path.to_owned(), methods.split(',').collect::<Value>()))
                .collect();
            let permissions = json!({"endpoints": endpoints});
            members = json!({"name": name, "tenantId": tenant_id, "permissions": permissions});
        }
        let made = post(address, "/api/api-key", None, &json!({"apiKey": members}))?;
        let text = |name| made.pointer(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = name.map(str::to_owned);
        let key = Key::new(text("/apiKey/id"), text("/apiKey/key"), name, permissions);
        keys.push(key.map_err(Failure::new)?);
    }
    Ok(keys)
}

/// Posts for the key manager, in this tenant if one is named, and returns the answer.
///
/// # Errors
/// It is not answered with 200.
pub(super) fn post(address: SocketAddr, path: &str, tenant: Option<&str>, body: &Value) -> Result<Value> {
    let failed = |what: String| Failure::new(format!("POST {path}: {what}"));
    let exchange = || -> std::io::Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(address)?;
        let body = body.to_string();
        let tenant = tenant.map(|id| format!("X-FusionAuth-TenantId: {id}\r\n")).unwrap_or_default();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {MANAGER}\r\n{tenant}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let head = Head::read(&mut reader)?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let length = head.content_length().unwrap_or(0);
        let mut document = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut reader, length), &mut document)?;
        skip_body(&mut reader, 0)?;
        Ok((head.status(), document))
    };
    let (status, document) = exchange().map_err(|error| failed(error.to_string()))?;
    if status != 200 {
        return Err(failed(format!("status {status}")));
    }
    serde_json::from_slice(&document).map_err(|error| failed(error.to_string()))
}

/// A gateway in front of the upstream.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    _program: Program,
}

impl Running {
    /// Starts the gateway with the shipped configuration, addresses replaced.
    ///
    /// # Errors
    /// It does not start, or the sabotage finds nothing to change.
    pub(super) fn start(
        gateway: Gateway,
        program: &Path,
        directory: &Directory,
        claviger: SocketAddr,
        upstream: SocketAddr,
        sabotage: Option<Sabotage>,
    ) -> Result<Self> {
        let address = free_address()?;
        let shipped = root().join(gateway.configuration());
        let shipped = std::fs::read_to_string(&shipped).map_err(|error| Failure::file(&shipped, &error))?;
        let changed = match sabotage {
            Some(sabotage) => {
                let lines = shipped.lines().filter_map(|line| gateway.sabotaged(line, sabotage));
                lines.map(|line| line + "\n").collect()
            }
            None => shipped.clone(),
        };
        if sabotage.is_some() && changed == shipped {
            return Err(Failure::new("the sabotage finds nothing to change"));
        }
        let configuration = changed
            .replace("127.0.0.1:9011", &claviger.to_string())
            .replace("127.0.0.1:8080", &upstream.to_string())
            .replace("listen 8000;", &format!("listen {address};"))
            .replace("http://:8000 {", &format!("http://:{} {{\n\tbind {}", address.port(), address.ip()))
            .replace("bind :8000 ", &format!("bind {address} "));
        let path = directory.0.as_path();
        let write = |name: &str, text: &str| {
            let file = path.join(name);
            std::fs::write(&file, text).map_err(|error| Failure::file(&file, &error))
        };
        let mut command = Command::new(program);
        match gateway {
            Gateway::Nginx => {
                write("gateway.conf", &configuration)?;
                write("nginx.conf", &nginx_around(path))?;
                command.arg("-p").arg(path).arg("-c").arg(path.join("nginx.conf"));
            }
            Gateway::Caddy => {
                write("Caddyfile", &configuration)?;
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path.join("Caddyfile"));
                command.env("HOME", path).env("XDG_CONFIG_HOME", path).env("XDG_DATA_HOME", path);
                command.stderr(Stdio::null());
            }
            Gateway::Haproxy => {
                let script = path.join("claviger.lua");
                write("claviger.lua", &numbered_questions()?)?;
                let script = format!("'{}'", script.display());
                write("haproxy.cfg", &configuration.replace("/etc/haproxy/claviger.lua", &script))?;
                command.arg("-q").arg("-db").arg("-f").arg(path.join("haproxy.cfg"));
            }
        }
        let child = command.stdin(Stdio::null()).spawn();
        let mut program =
            Program(child.map_err(|error| Failure::new(format!("{}: {error}", gateway.program())))?);
        wait(&mut program, address, gateway.program())?;
        Ok(Self { address, _program: program })
    }
}

/// The shipped script of HAProxy, whose questions have the number of the request besides: the other gateways send all headers along.
fn numbered_questions() -> Result<String> {
    let shipped = root().join("docs/gateways/claviger.lua");
    let text = std::fs::read_to_string(&shipped).map_err(|error| Failure::file(&shipped, &error))?;
    let last = "\"x-fusionauth-tenantid\" }";
    let longer = format!("\"x-fusionauth-tenantid\", \"{}\" }}", TEST_ID.to_ascii_lowercase());
    let changed = text.replacen(last, &longer, 1);
    if changed == text {
        return Err(Failure::new("docs/gateways/claviger.lua: no list of headers that are sent along"));
    }
    Ok(changed)
}

/// What stands around the shipped part: one process in the foreground, all its files in one directory.
fn nginx_around(directory: &Path) -> String {
    let directory = directory.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {directory}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {directory}/nginx.pid;\nerror_log {directory}/error.log crit;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n    access_log off;\n    keepalive_requests 1000000;\n{temporary}    include {directory}/gateway.conf;\n}}\n"
    )
}

/// Waits until a program listens.
fn wait(program: &mut Program, address: SocketAddr, name: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if let Ok(Some(status)) = program.0.try_wait() {
            return Err(Failure::new(format!("{name} ended at its start: {status}")));
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format!("{name} does not listen")));
        }
        // Nobody tells when another program listens.
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// An address at which nobody listens.
///
/// # Errors
/// There is no free port.
pub(super) fn free_address() -> Result<SocketAddr> {
    let address = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    address.map_err(|error| Failure::new(format!("no free port: {error}")))
}
