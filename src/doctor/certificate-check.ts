import { errorText } from "../base/errors.ts";
import {
  type CertificateFiles,
  loadCertificate,
  ownCertificateFiles,
} from "../smtp/certificate.ts";
import { noteCertificate } from "../smtp/inspect-certificate.ts";
import { type ListenerTlsFiles, loadAuthorities } from "../smtp/listener-tls.ts";
import type { DoctorCheck, Finding } from "./doctor.ts";

export interface CheckedListener {
  readonly name: string;
  readonly hostname: string;
  readonly tls: ListenerTlsFiles;
}

export interface CertificateCheckInput {
  readonly listeners: readonly CheckedListener[];
  readonly dataDir: string;
  readonly now: number;
}

/** What the listeners show to senders, as the files are now: whether it can serve, and how long. */
export function certificateCheck({ listeners, dataDir, now }: CertificateCheckInput): DoctorCheck {
  return {
    name: "certificates",
    run: async () => {
      const findings = listeners.map((listener) => inspectListener(listener, dataDir, now));
      return (await Promise.all(findings)).flat();
    },
  };
}

async function inspectListener(
  { name, hostname, tls }: CheckedListener,
  dataDir: string,
  now: number,
): Promise<readonly Finding[]> {
  const own = tls.own
    ? await inspectPair(name, tls.own, hostname, now)
    : await inspectSelfMade(name, hostname, dataDir, now);
  const also = await Promise.all(tls.also.map((pair) => inspectPair(name, pair, null, now)));
  const authorities = tls.clientCa === null ? [] : [await inspectAuthorities(name, tls.clientCa)];
  return [...own, ...also.flat(), ...authorities];
}

async function inspectPair(
  subject: string,
  files: CertificateFiles,
  hostname: string | null,
  now: number,
): Promise<readonly Finding[]> {
  try {
    const certificate = await loadCertificate(files);
    const notes = noteCertificate(certificate, hostname, now);
    const expires = new Date(certificate.expiresAt).toISOString().slice(0, 10);
    if (notes.length === 0)
      return [{ subject, status: "ok", detail: `${files.cert} is good until ${expires}` }];
    return notes.map(({ level: status, text }) => {
      return { subject, status, detail: `${files.cert}: ${text}` };
    });
  } catch (error) {
    return [{ subject, status: "fail", detail: errorText(error) }];
  }
}

async function inspectSelfMade(
  subject: string,
  hostname: string,
  dataDir: string,
  now: number,
): Promise<readonly Finding[]> {
  const files = ownCertificateFiles(hostname, dataDir);
  const isMade = await loadCertificate(files).then(
    () => true,
    () => false,
  );
  if (isMade) return inspectPair(subject, files, hostname, now);
  const detail = "the settings name no certificate: a self-signed one is made at the start";
  return [{ subject, status: "warn", detail }];
}

async function inspectAuthorities(subject: string, path: string): Promise<Finding> {
  return loadAuthorities(path).then(
    () => ({ subject, status: "ok", detail: `${path} holds the authority of client certificates` }),
    (error: unknown) => ({ subject, status: "fail", detail: errorText(error) }),
  );
}
