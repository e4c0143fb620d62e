"""Websites: hosts at which many firms have a page each."""

from __future__ import annotations

from dataflow.vocabulary.lists import WordList, any_of, plain

PAGE_HOSTS = WordList(
    name="hosts of pages",
    source="our own: networks, market places, directories and site builders whose address differs by path alone",
    as_of="2026-11-30",
    means=plain(
        "about.me airbnb.com alibaba.com aliexpress.com angi.com behance.net bit.ly booking.com business.site "
        "canva.site crunchbase.com deliveroo.co.uk discord.gg doctolib.de doctolib.fr dribbble.com etsy.com "
        "eventbrite.com facebook.com fb.com fb.me flickr.com foursquare.com g.page github.com glassdoor.com goo.gl "
        "houzz.com indiamart.com instagram.com justdial.com kununu.com linkedin.com linktr.ee m.me mapquest.com "
        "medium.com meetup.com notion.site ok.ru opentable.com paypal.me pinterest.com sites.google.com snapchat.com "
        "soundcloud.com t.me tiktok.com tinyurl.com tripadvisor.com trustpilot.com twitch.tv twitter.com upwork.com "
        "viber.com vimeo.com vk.com wa.me wechat.com whatsapp.com wikipedia.org x.com xing.com yell.com "
        "yellowpages.com yelp.com youtu.be youtube.com",
    ),
)
"""Their domain does not identify a firm. Hosts that give each firm a name of its own before theirs are not listed."""

PAGE_HOST = rf"(?:^|\.)(?:{any_of(one.replace('.', '[.]') for one in PAGE_HOSTS)})$"
"""A regular expression for a domain in lower case, of a listed host or below it: m.facebook.com."""
