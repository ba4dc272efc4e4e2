// A browser, as far as a login needs it: cookies, redirects one by one, forms.

import http from 'node:http'

export class Browser {
  #cookies = new Map()

  constructor(issuer) {
    this.origin = new URL(issuer).origin
  }

  /** Opens an address and follows redirects until there is a page, or until one leads to the app. */
  async open(url) {
    return this.#follow(await this.#send('GET', new URL(url), 'none'))
  }

  /** Presses the button with that id, with these fields filled in. */
  async press(page, id, fill = {}) {
    const form = forms(page.html).find((form) => form.inside.includes(`id="${id}"`))
    if (!form) throw new Error(`no button ${id} at ${page.status} ${page.url}: ${text(page.html)}`)
    const body = new URLSearchParams()
    for (const { tag, attributes } of tags(form.inside)) {
      const { name, type, value = '' } = attributes
      const pressed = tag === 'button' && attributes.id === id
      const box = type === 'checkbox'
      const sent = pressed || (tag === 'input' && type !== 'submit' && (!box || 'checked' in attributes))
      if (name && sent && !('disabled' in attributes)) body.append(name, fill[name] ?? value)
    }
    for (const name of Object.keys(fill)) {
      if (!body.has(name)) throw new Error(`the form has no field ${name}`)
    }
    const target = new URL(form.attributes.action, page.url)
    return this.#follow(await this.#send('POST', target, 'same-origin', body.toString()))
  }

  async #follow(page) {
    for (let hops = 0; hops < 10; hops++) {
      if (!page.location) return page
      const target = new URL(page.location, page.url)
      if (target.origin !== this.origin) return { ...page, url: target }
      page = await this.#send('GET', target, 'same-origin')
    }
    throw new Error(`redirects without end, last ${page.url}`)
  }

  #send(method, url, site, body) {
    const headers = {
      'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
      accept: 'text/html,application/xhtml+xml',
      'sec-fetch-site': site,
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    }
    if (this.#cookies.size > 0) {
      headers.cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    }
    if (body !== undefined) {
      headers['content-type'] = 'application/x-www-form-urlencoded'
      headers['content-length'] = Buffer.byteLength(body)
      headers.origin = this.origin
    }
    return new Promise((resolve, reject) => {
      const request = http.request(url, { method, headers, timeout: 15_000 }, (response) => {
        this.#keep(response.headers['set-cookie'] ?? [])
        const chunks = []
        response.on('data', (chunk) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const html = Buffer.concat(chunks).toString()
          resolve({ url, status: response.statusCode, location: response.headers.location, html })
        })
      })
      request.on('timeout', () => request.destroy(new Error(`no answer from ${url}`)))
      request.on('error', reject)
      request.end(body)
    })
  }

  #keep(cookies) {
    for (const cookie of cookies) {
      const [pair, ...attributes] = cookie.split(';').map((part) => part.trim())
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
      const gone = attributes.some((attribute) => attribute.toLowerCase() === 'max-age=0')
      if (gone) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
  }
}

export function has(page, id) {
  return page.status === 200 && page.html.includes(`id="${id}"`)
}

/** What a person reads. */
export function text(html) {
  return unescape(html.replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ').trim()
}

function forms(html) {
  const found = html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)
  return [...found].map(([, opening, inside]) => ({ attributes: attributesOf(opening), inside }))
}

function tags(html) {
  const found = html.matchAll(/<(input|button)\b((?:[^>"]|"[^"]*")*)>/g)
  return [...found].map(([, tag, rest]) => ({ tag, attributes: attributesOf(rest) }))
}

function attributesOf(text) {
  const found = text.matchAll(/([a-z-]+)(?:="([^"]*)")?/g)
  return Object.fromEntries([...found].map(([, name, value]) => [name, unescape(value ?? '')]))
}

function unescape(text) {
  const named = { lt: '<', gt: '>', quot: '"', amp: '&' }
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(lt|gt|quot|amp));/gi, (_, hex, decimal, name) =>
    name ? named[name.toLowerCase()] : String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal)),
  )
}
