// Serves the page; any server of static files will do.
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const { ISSUER, CLIENT_ID, PORT = '3000', HOST = '127.0.0.1' } = process.env
const library = join(dirname(createRequire(import.meta.url).resolve('oidc-client-ts')), '../browser/oidc-client-ts.min.js')
const page = ['text/html', new URL('index.html', import.meta.url)]
const files = {
  '/': page,
  '/callback': page,
  '/app.js': ['text/javascript', new URL('app.js', import.meta.url)],
  '/oidc-client-ts.js': ['text/javascript', library],
}
const policy = `default-src 'none'; script-src 'self'; connect-src ${ISSUER}`

createServer((request, response) => {
  const path = request.url.split('?')[0]
  const [type, file] = files[path] ?? []
  response.setHeader('Content-Security-Policy', policy)
  if (path === '/settings.js') {
    response.setHeader('Content-Type', 'text/javascript')
    return response.end(`const settings = ${JSON.stringify({ issuer: ISSUER, clientId: CLIENT_ID })}`)
  }
  response.writeHead(file ? 200 : 404, { 'Content-Type': type ?? 'text/plain' })
  return file ? createReadStream(file).pipe(response) : response.end()
}).listen(Number(PORT), HOST, () => console.log(`Open http://${HOST}:${PORT}/`))
