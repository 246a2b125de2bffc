import type { Json } from "../../base/json.ts";
import type { TlsPolicyFacts } from "../../pipeline/facts.ts";
import type { CountedTlsSession } from "../../tracking/tracking.ts";

/** About one domain on one day. */
export interface TlsReport {
  readonly domain: string;
  /** A date in UTC. */
  readonly day: string;
  /** `2026-11-24.example.org@mx1.example.net`: the same when it is sent again. */
  readonly id: string;
  /** Seconds since the epoch, the first and the last of the day. */
  readonly begins: number;
  readonly ends: number;
  readonly json: Json;
}

export interface ReportSender {
  /** Our host name: the submitter. */
  readonly hostname: string;
  readonly organization: string;
  readonly contact: string;
}

/** RFC 8460 4.4. */
export function toTlsReport(
  domain: string,
  day: string,
  sessions: readonly CountedTlsSession[],
  { hostname, organization, contact }: ReportSender,
): TlsReport {
  const id = `${day}.${domain}@${hostname}`;
  const begins = Date.parse(`${day}T00:00:00Z`) / 1000;
  return {
    domain,
    day,
    id,
    begins,
    ends: begins + DAY_SECONDS - 1,
    json: {
      "organization-name": organization,
      "date-range": {
        "start-datetime": `${day}T00:00:00Z`,
        "end-datetime": `${day}T23:59:59Z`,
      },
      "contact-info": contact,
      "report-id": id,
      policies: byPolicy(sessions).map(({ policy, own }) => policyOf(policy, own)),
    },
  };
}

const DAY_SECONDS = 86_400;

interface Group {
  readonly policy: TlsPolicyFacts;
  readonly own: CountedTlsSession[];
}

function byPolicy(sessions: readonly CountedTlsSession[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const session of sessions) {
    const key = JSON.stringify(session.policy);
    const group = groups.get(key) ?? { policy: session.policy, own: [] };
    group.own.push(session);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function policyOf(policy: TlsPolicyFacts, sessions: readonly CountedTlsSession[]): Json {
  const failed = sessions.filter(({ failure }) => failure !== null);
  const succeeded = sessions.filter(({ failure }) => failure === null);
  return {
    policy: {
      "policy-type": policy.type,
      ...("strings" in policy && policy.strings.length > 0 && { "policy-string": policy.strings }),
      "policy-domain": policy.domain,
      ...("mx" in policy && policy.mx.length > 0 && { "mx-host": policy.mx }),
    },
    summary: {
      "total-successful-session-count": sum(succeeded),
      "total-failure-session-count": sum(failed),
    },
    ...(failed.length > 0 && { "failure-details": failed.flatMap(detailsOf) }),
  };
}

function detailsOf({ failure, ip, ownIp, mxHost, count }: CountedTlsSession): readonly Json[] {
  if (!failure) return [];
  return [
    {
      "result-type": failure.type,
      ...(ownIp !== null && { "sending-mta-ip": ownIp }),
      "receiving-mx-hostname": mxHost,
      ...(ip !== null && { "receiving-ip": ip }),
      "failed-session-count": count,
      "failure-reason-code": failure.reason,
    },
  ];
}

function sum(sessions: readonly CountedTlsSession[]): number {
  return sessions.reduce((total, { count }) => total + count, 0);
}
