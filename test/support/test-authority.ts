import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { toFingerprint } from "../../src/smtp/client-certificate.ts";
import { findProgram } from "./programs.ts";

const run = promisify(execFile);

export interface IssuedCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
  readonly fingerprint256: string;
}

export interface IssueOptions {
  /** Default: clientAuth. */
  readonly purpose?: "clientAuth" | "serverAuth";
  /** As openssl writes dates; default: valid now. */
  readonly dates?: { readonly from: string; readonly to: string };
}

/** A certificate authority of openssl in a folder of its own, removed by disposal. */
export interface TestAuthority extends AsyncDisposable {
  readonly folder: string;
  readonly certFile: string;
  issue(name: string, options?: IssueOptions): Promise<IssuedCertificate>;
  selfSigned(name: string): Promise<IssuedCertificate>;
}

const DATABASE = `[ca]
default_ca = own
[own]
database = index.txt
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
`;

export async function createTestAuthority(name = "Test CA"): Promise<TestAuthority> {
  const folder = await mkdtemp(join(tmpdir(), "postern-ca-"));
  const openssl = (...words: readonly string[]) =>
    run(findProgram("openssl")?.path ?? "openssl", [...words], { cwd: folder });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const subject = (cn: string) => ["-subj", `/CN=${cn}`];
  await writeFile(join(folder, "ca.cnf"), DATABASE);
  await writeFile(join(folder, "index.txt"), "");
  const root = ["-keyout", "ca.key", "-out", "ca.pem", "-days", "30", ...subject(name)];
  await openssl("req", "-x509", ...newKey, ...root);
  let count = 0;
  const read = async (stem: string): Promise<IssuedCertificate> => {
    const [certFile, keyFile] = [join(folder, `${stem}.pem`), join(folder, `${stem}.key`)];
    const [cert, key] = [await readFile(certFile, "utf8"), await readFile(keyFile, "utf8")];
    const fingerprint256 = toFingerprint(new X509Certificate(cert).fingerprint256) ?? "";
    return { certFile, keyFile, cert, key, fingerprint256 };
  };
  return {
    folder,
    certFile: join(folder, "ca.pem"),
    async issue(cn, { purpose = "clientAuth", dates } = {}) {
      const stem = `issued-${count++}`;
      const request = ["-keyout", `${stem}.key`, "-out", `${stem}.csr`, ...subject(cn)];
      await openssl("req", ...newKey, ...request);
      const extensions = `extendedKeyUsage=${purpose}\nsubjectAltName=DNS:${cn}\n`;
      await writeFile(join(folder, `${stem}.ext`), extensions);
      const signer = ["-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"];
      const files = ["-in", `${stem}.csr`, "-out", `${stem}.pem`, "-extfile", `${stem}.ext`];
      const valid = dates ? ["-startdate", dates.from, "-enddate", dates.to] : ["-days", "20"];
      await openssl("ca", "-batch", "-notext", ...signer, ...files, ...valid);
      return read(stem);
    },
    async selfSigned(cn) {
      const stem = `self-${count++}`;
      const files = ["-keyout", `${stem}.key`, "-out", `${stem}.pem`, "-days", "20"];
      await openssl("req", "-x509", ...newKey, ...files, ...subject(cn));
      return read(stem);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
