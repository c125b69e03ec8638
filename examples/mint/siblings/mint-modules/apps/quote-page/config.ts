// The alert webhook has a stable path; the workflow's own id is never part of it.
export const alerts = {
  quoteCreated: `${process.env.N8N_BASE}/webhook/quote.created`,
  timeoutMs: 4000,
};
