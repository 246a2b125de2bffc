import type { AnyStage } from "../pipeline/stage.ts";
import { accessStage } from "./access/access.ts";
import { type AntivirusServices, antivirusStage } from "./antivirus/antivirus.ts";
import { type AttachmentsServices, attachmentsStage } from "./attachments/attachments.ts";
import { type DkimServices, dkimStage } from "./dkim.ts";
import { type DmarcServices, dmarcStage } from "./dmarc.ts";
import { type DnsblServices, dnsblStage } from "./dnsbl/dnsbl.ts";
import { type DomainsServices, domainsStage } from "./domains/domains.ts";
import { fromStage } from "./from/from.ts";
import { type SpfServices, spfStage } from "./spf.ts";

/** What the stages need of the world; compose.ts gives it. */
export interface StageServices
  extends AntivirusServices,
    AttachmentsServices,
    DkimServices,
    DmarcServices,
    DnsblServices,
    DomainsServices,
    SpfServices {}

/** Every stage there is, in the order of a session. A new one is one more word here. */
export function createCatalog(): readonly AnyStage<StageServices>[] {
  return [
    accessStage,
    dnsblStage,
    spfStage,
    domainsStage,
    dkimStage,
    fromStage,
    dmarcStage,
    attachmentsStage,
    antivirusStage,
  ];
}
