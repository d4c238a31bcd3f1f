import type { ScanOptions } from "../../src/DiskModel.ts"

/** Options of a scan. No test reaches the default bounds by chance. */
export const scanning = (
  sort: ScanOptions["sort"],
  mostBytes: number,
  rest: Partial<ScanOptions> = {}
): ScanOptions => ({ sort, mostBytes, isRead: () => true, mostNames: 100, mostHints: 100, mostUnread: 100, ...rest })
