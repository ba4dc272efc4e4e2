//! Where the database is: a connection string as libpq understands it, read strictly.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

const FORM: &str = "it is not postgres://USER[:PASSWORD]@HOST[:PORT][,HOST[:PORT]…]/DATABASE, \
                    perhaps with ?sslmode=verify-full and other options behind it";

/// A PostgreSQL database and how to come to it. It shows itself without the password.
#[derive(Clone)]
pub struct Address {
    pub(crate) servers: Vec<Server>,
    pub(crate) encryption: Encryption,
    /// For connecting to one server, whatever that takes.
    pub(crate) connect_timeout: Duration,
    user: String,
    password: Option<Vec<u8>>,
    database: String,
    application_name: Option<String>,
    options: Option<String>,
}

/// One of the servers, of which one at a time takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// How the way to the database is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Not at all.
    None,
    /// TLS with whoever answers.
    Unverified,
    /// TLS with the host that is named, by these roots or the system's.
    Verified { roots: Option<PathBuf> },
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

impl Address {
    /// Reads a connection string. The password may be given beside it, as `PGPASSWORD` is; the one
    /// in the string counts more. The error says what is wrong and never what the string holds.
    pub fn parse(url: &str, password: Option<&str>) -> Result<Self, String> {
        let (url, parameters) = url.split_once('?').unwrap_or((url, ""));
        let mut ours = Parameters::default();
        let mut rest = Vec::new();
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            if !ours.take(parameter)? {
                rest.push(parameter);
            }
        }
        let text = format!("{url}?{}", rest.join("&"));
        let config: Config = text.parse().map_err(|_| FORM.to_owned())?;
        let servers = servers(&config)?;
        let encryption = ours.encryption(&servers)?;
        let user = config.get_user().filter(|user| !user.is_empty());
        let user = user.ok_or("it names no user")?.to_owned();
        let password = config.get_password().or(password.map(str::as_bytes)).map(<[u8]>::to_vec);
        Ok(Self {
            servers,
            encryption,
            connect_timeout: config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT),
            database: config.get_dbname().unwrap_or(&user).to_owned(),
            user,
            password,
            application_name: config.get_application_name().map(str::to_owned),
            options: config.get_options().map(str::to_owned),
        })
    }

    /// The same with a path of `sslrootcert` that is relative to a folder.
    pub fn beside(mut self, folder: &Path) -> Self {
        if let Encryption::Verified { roots: Some(path) } = &mut self.encryption {
            *path = folder.join(&*path);
        }
        self
    }

    /// The address without user and password, for messages.
    pub fn shown(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        format!("postgres://{}/{}", servers.join(","), self.database)
    }

    /// For one of the servers. Only one that takes writes will do: a standby is for the day when
    /// it is promoted.
    pub(crate) fn config(&self, server: &Server) -> Config {
        let mut config = Config::new();
        match &server.host {
            Host::Tcp(name) => config.host(name),
            #[cfg(unix)]
            Host::Unix(path) => config.host_path(path),
        };
        config
            .port(server.port)
            .user(&self.user)
            .dbname(&self.database)
            .application_name(self.application_name.as_deref().unwrap_or("keystile"))
            .ssl_mode(match self.encryption {
                Encryption::None => SslMode::Disable,
                Encryption::Unverified | Encryption::Verified { .. } => SslMode::Require,
            })
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(self.connect_timeout)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(15));
        if let Some(password) = &self.password {
            config.password(password);
        }
        if let Some(options) = &self.options {
            config.options(options);
        }
        config
    }
}

/// The parameters that are ours to judge.
#[derive(Default)]
struct Parameters {
    sslmode: Option<String>,
    sslrootcert: Option<String>,
}

impl Parameters {
    /// False: it is not one of these.
    fn take(&mut self, parameter: &str) -> Result<bool, String> {
        let (name, value) = parameter.split_once('=').ok_or_else(|| FORM.to_owned())?;
        let place = match name {
            "sslmode" => &mut self.sslmode,
            "sslrootcert" => &mut self.sslrootcert,
            "target_session_attrs" if value == "read-write" => return Ok(true),
            "target_session_attrs" => {
                return Err("target_session_attrs can only be read-write here".into());
            }
            _ => return Ok(false),
        };
        if place.replace(unescaped(value)?).is_some() {
            return Err(format!("{name} stands there twice"));
        }
        Ok(true)
    }

    /// Without a word, what leaves the machine is encrypted and its other end proved.
    fn encryption(self, servers: &[Server]) -> Result<Encryption, String> {
        let roots = match self.sslrootcert.as_deref() {
            None | Some("system") => None,
            Some(path) => Some(PathBuf::from(path)),
        };
        match self.sslmode.as_deref() {
            None if roots.is_none() && servers.iter().all(Server::is_here) => Ok(Encryption::None),
            None | Some("verify-full") => Ok(Encryption::Verified { roots }),
            Some("require") if roots.is_none() => Ok(Encryption::Unverified),
            Some("require") => Err("sslrootcert counts with sslmode=verify-full alone".into()),
            Some("disable") => Ok(Encryption::None),
            Some(_) => Err("sslmode can be verify-full, require (nothing is verified) or \
                            disable (nothing is encrypted)"
                .into()),
        }
    }
}

/// Undoes percent-encoding.
fn unescaped(value: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let pair = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        bytes.push(pair.ok_or_else(|| FORM.to_owned())?);
    }
    String::from_utf8(bytes).map_err(|_| FORM.to_owned())
}

fn servers(config: &Config) -> Result<Vec<Server>, String> {
    let (hosts, ports) = (config.get_hosts(), config.get_ports());
    if hosts.is_empty() || !config.get_hostaddrs().is_empty() {
        return Err(FORM.to_owned());
    }
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err("it has more hosts than ports, or more ports than hosts".into());
    }
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let server = |(index, host): (usize, &Host)| Server { host: host.clone(), port: port(index) };
    Ok(hosts.iter().enumerate().map(server).collect())
}

impl Server {
    /// Whether the way to it does not leave the machine.
    fn is_here(&self) -> bool {
        match &self.host {
            Host::Tcp(name) if name == "localhost" => true,
            Host::Tcp(name) => name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
            #[cfg(unix)]
            Host::Unix(_) => true,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Tcp(name) => write!(f, "{name}:{}", self.port),
            #[cfg(unix)]
            Host::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encryption(url: &str) -> Result<Encryption, String> {
        Address::parse(url, None).map(|address| address.encryption)
    }

    #[test]
    fn several_servers_and_their_ports() {
        let address = Address::parse("postgres://k:secret@a:1,b:2/store", None).expect("good");
        assert_eq!(address.shown(), "postgres://a:1,b:2/store");
        let address = Address::parse("postgresql://k@a,b/?target_session_attrs=read-write", None);
        assert_eq!(address.expect("good").shown(), "postgres://a:5432,b:5432/k");
    }

    #[test]
    fn what_leaves_the_machine_is_verified_unless_somebody_says_otherwise() {
        let verified = |roots: Option<&str>| Encryption::Verified { roots: roots.map(Into::into) };
        for (url, expected) in [
            ("postgres://k@db.example/k", verified(None)),
            ("postgres://k@localhost,db.example/k", verified(None)),
            ("postgres://k@127.0.0.1/k", Encryption::None),
            ("postgres://k@localhost/k", Encryption::None),
            ("postgres://k@%2Frun%2Fpostgresql/k", Encryption::None),
            ("postgres://k@localhost/k?sslmode=verify-full", verified(None)),
            ("postgres://k@localhost/k?sslrootcert=%2Fca.pem", verified(Some("/ca.pem"))),
            ("postgres://k@a/k?sslmode=verify-full&sslrootcert=system", verified(None)),
            ("postgres://k@db.example/k?sslmode=require", Encryption::Unverified),
            ("postgres://k@db.example/k?sslmode=disable", Encryption::None),
        ] {
            assert_eq!(encryption(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_never_repeated() {
        for url in [
            "postgres://",
            "postgres://k:hunter2@/k",
            "postgres://:hunter2@a/k",
            "postgres://k:hunter2@a:x/k",
            "postgres://k:hunter2@a/k?sslmode=prefer",
            "postgres://k:hunter2@a/k?sslmode=verify-ca",
            "postgres://k:hunter2@a/k?sslmode=require&sslrootcert=ca.pem",
            "postgres://k:hunter2@a/k?sslmode=disable&sslmode=require",
            "postgres://k:hunter2@a/k?sslrootcert=%zz",
            "postgres://k:hunter2@a/k?sslmode",
            "postgres://k:hunter2@a/k?hunter2=1",
            "postgres://k:hunter2@a/k?target_session_attrs=any",
        ] {
            let words = encryption(url).expect_err(url);
            assert!(!words.contains("hunter2"), "{words}");
        }
    }

    #[test]
    fn the_password_is_shown_nowhere_and_may_come_from_elsewhere() {
        let address = Address::parse("postgres://k:hunter2@a/k", Some("other")).expect("good");
        assert!(!format!("{address:?}{}", address.shown()).contains("hunter2"));
        let password = |address: &Address| {
            address.config(&address.servers[0]).get_password().map(<[u8]>::to_vec)
        };
        assert_eq!(password(&address).as_deref(), Some(b"hunter2".as_slice()));
        let address = Address::parse("postgres://k@a/k", Some("other")).expect("good");
        assert_eq!(password(&address).as_deref(), Some(b"other".as_slice()));
    }
}
