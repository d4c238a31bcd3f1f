import type { ScanOptions } from "../../src/DiskModel.ts"

/** Options of a scan with bounds that no test meets by chance. */
export const scanning = (
  sort: ScanOptions["sort"],
  mostBytes: number,
  rest: Partial<ScanOptions> = {}
): ScanOptions => ({ sort, mostBytes, isRead: () => true, mostNames: 100, mostHints: 100, mostUnread: 100, ...rest })
