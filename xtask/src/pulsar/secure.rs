//! What a broker with TLS and tokens needs: a CA of its own, certificates and keys, and who is who.
//!
//! All of it lies in a folder of the broker's, made once by `openssl`, and is good for tests only.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use tidings_event::Clock;

use super::PulsarError;
use super::asked::Asked;

/// Of the CA and of certificates.
const DAYS: &str = "3650";
/// May do everything: the broker's own, and that of whoever looks after it.
const ADMIN: &str = "admin";
/// May do everything, too: the service under test.
pub(crate) const SERVICE: &str = "tidings";
/// Written last.
const TOKEN: &str = "service.token";

/// The folder with everything that secures a broker.
pub(crate) struct Secure {
    dir: PathBuf,
}

impl Secure {
    /// Of the broker of a folder.
    pub(crate) fn of(broker: &Path) -> Self {
        Self { dir: broker.join("secure") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The token of whoever may ask it everything; `None` for a broker that is not secured.
    pub(crate) fn admin(&self) -> Option<String> {
        fs::read_to_string(self.file("admin.token")).ok()
    }

    /// Makes what is not there yet.
    pub(crate) fn make(&self, clock: &dyn Clock) -> Result<(), PulsarError> {
        if self.file(TOKEN).is_file() {
            return Ok(());
        }
        fs::create_dir_all(&self.dir).map_err(PulsarError::file(&self.dir))?;
        self.authority("ca", "Tidings test CA")?;
        // It signs nothing: whoever trusts it trusts no broker.
        self.authority("other-ca", "Another test CA")?;
        // Not for `localhost`, so that there is a name that is wrong.
        self.certificate("broker", "broker", "subjectAltName=IP:127.0.0.1\n")?;
        self.certificate("client", SERVICE, "")?;
        let key = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"];
        self.openssl(&[&key[..], &["token.key"]].concat(), b"")?;
        let public = ["pkey", "-in", "token.key", "-pubout", "-outform", "DER", "-out"];
        self.openssl(&[&public[..], &["token-public.der"]].concat(), b"")?;
        for (name, role) in [("admin.token", ADMIN), (TOKEN, SERVICE)] {
            self.keep(name, &self.token(role, None, clock)?)?;
        }
        Ok(())
    }

    fn authority(&self, name: &str, called: &str) -> Result<(), PulsarError> {
        let conf = format!(
            "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ext\n[dn]\nCN={called}\n\
             [ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
             subjectKeyIdentifier=hash\n"
        );
        let [conf_file, key, pem] = self.names(name, &conf)?;
        self.openssl(
            &[
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS, "-config",
                &conf_file, "-keyout", &key, "-out", &pem,
            ],
            b"",
        )?;
        Ok(())
    }

    fn certificate(&self, name: &str, called: &str, more: &str) -> Result<(), PulsarError> {
        let conf = format!(
            "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN={called}\n\
             [ext]\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n{more}"
        );
        let [conf_file, key, pem] = self.names(name, &conf)?;
        let request = self.openssl(
            &[
                "req", "-new", "-newkey", "rsa:2048", "-nodes", "-config", &conf_file, "-keyout",
                &key,
            ],
            b"",
        )?;
        self.openssl(
            &[
                "x509",
                "-req",
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                DAYS,
                "-extfile",
                &conf_file,
                "-extensions",
                "ext",
                "-out",
                &pem,
            ],
            &request,
        )?;
        Ok(())
    }

    /// Configuration, which is written, key and certificate.
    fn names(&self, name: &str, conf: &str) -> Result<[String; 3], PulsarError> {
        let names = ["cnf", "key", "pem"].map(|end| format!("{name}.{end}"));
        let file = self.file(&names[0]);
        fs::write(&file, conf).map_err(PulsarError::file(&file))?;
        Ok(names)
    }

    /// A token by which the broker knows a role, for so many seconds or for ever.
    pub(crate) fn token(
        &self,
        role: &str,
        seconds: Option<u64>,
        clock: &dyn Clock,
    ) -> Result<String, PulsarError> {
        let mut claims = json!({ "sub": role });
        if let Some(seconds) = seconds {
            claims["exp"] = json!(clock.wall().0 / 1_000_000_000 + seconds);
        }
        let head = json!({ "alg": "RS256", "typ": "JWT" });
        let [head, claims] = [head, claims].map(|part| base64(part.to_string().as_bytes()));
        let signed = format!("{head}.{claims}");
        let sign = ["dgst", "-sha256", "-sign", "token.key", "-binary"];
        let signature = self.openssl(&sign, signed.as_bytes())?;
        Ok(format!("{signed}.{}", base64(&signature)))
    }

    /// Writes a secret for its owner only.
    fn keep(&self, name: &str, text: &str) -> Result<(), PulsarError> {
        let path = self.file(name);
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).truncate(true).write(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(PulsarError::file(&path))
    }

    /// What it says, given this to read.
    fn openssl(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, PulsarError> {
        let missing = |source| PulsarError::Program {
            program: "openssl".to_owned(),
            source,
            hint: ": `apt-get install openssl`",
        };
        let mut command = Command::new("openssl");
        command.args(args).current_dir(&self.dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(missing)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that reads nothing may be gone.
            let _ended = stdin.write_all(input);
        }
        let output = child.wait_with_output().map_err(missing)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(PulsarError::Failed(format!("openssl {}: {}", args[0], said.trim())))
    }

    /// The broker's configuration.
    pub(crate) fn conf(&self, asked: &Asked) -> Vec<(&'static str, String)> {
        let file = |name| self.file(name).display().to_string();
        let authentication = "org.apache.pulsar.broker.authentication.AuthenticationProvider";
        vec![
            ("brokerServicePortTls", asked.tls_port.to_string()),
            ("webServicePortTls", asked.https_port.to_string()),
            ("tlsCertificateFilePath", file("broker.pem")),
            ("tlsKeyFilePath", file("broker.key")),
            ("tlsTrustCertsFilePath", file("ca.pem")),
            ("webServiceTlsProvider", String::new()),
            ("authenticationEnabled", "true".to_owned()),
            ("authenticationProviders", format!("{authentication}Token,{authentication}Tls")),
            ("authenticationRefreshCheckSeconds", "1".to_owned()),
            ("tokenPublicKey", format!("file://{}", file("token-public.der"))),
            ("authorizationEnabled", "true".to_owned()),
            ("superUserRoles", format!("{ADMIN},{SERVICE}")),
            (
                "brokerClientAuthenticationPlugin",
                "org.apache.pulsar.client.impl.auth.AuthenticationToken".to_owned(),
            ),
            ("brokerClientAuthenticationParameters", format!("file://{}", file("admin.token"))),
        ]
    }

    /// How a service is told of it.
    pub(crate) fn settings(&self, asked: &Asked) -> Vec<String> {
        let file = |name| self.file(name).display().to_string();
        [
            ("URL", format!("pulsar+ssl://127.0.0.1:{}", asked.tls_port)),
            ("ADMIN_URL", format!("https://127.0.0.1:{}", asked.https_port)),
            ("CA_FILE", file("ca.pem")),
            ("TOKEN_FILE", file(TOKEN)),
        ]
        .map(|(key, value)| format!("TIDINGS_ENGINE__PULSAR__{key}={value}"))
        .into()
    }
}

/// As tokens have it: for addresses, and without padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for sign in 0..=three.len() {
            text.push(SIGNS[(bits >> (18 - 6 * sign) & 63) as usize] as char);
        }
    }
    text
}
