# ruff: noqa: E501 (sentences read better unwrapped)
"""What people write to support: by topic and language, put together from a greeting, the matter, an urging and a close.

`{order}` and `{product}` are filled in. `{name}` stands in the close, where people sign.
"""

from random import Random

TOPICS = ("delivery", "damaged", "refund", "login", "invoice", "question", "praise")

SUBJECTS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "delivery": ("Where is my parcel?", "Order {order} not arrived", "late delivery", "Delivery of {order}"),
        "damaged": ("Broken on arrival", "Damaged {product}", "Order {order}: item broken"),
        "refund": ("Refund please", "Still waiting for my money", "Return of order {order}"),
        "login": ("Cannot log in", "password reset does not work", "Account locked"),
        "invoice": ("Invoice needed", "VAT invoice for {order}", "Wrong name on invoice"),
        "question": ("Question about {product}", "Is {product} back in stock?", "Gift wrapping?"),
        "praise": ("Thank you!", "Lovely service", "Just wanted to say"),
    },
    "bg": {
        "delivery": ("Къде е пратката ми?", "Поръчка {order} не е пристигнала", "Забавена доставка"),
        "damaged": ("Счупен продукт", "Повредена пратка {order}"),
        "refund": ("Искам си парите обратно", "Връщане на поръчка {order}"),
        "login": ("Не мога да вляза в профила си", "Забравена парола"),
        "invoice": ("Моля за фактура", "Фактура за {order}"),
        "question": ("Въпрос за {product}", "Имате ли го на склад?"),
        "praise": ("Благодаря!", "Страхотни сте"),
    },
    "de": {
        "delivery": ("Wo bleibt mein Paket?", "Bestellung {order} nicht angekommen"),
        "damaged": ("Ware beschädigt", "{product} kam kaputt an"),
        "refund": ("Rückerstattung", "Retoure zu {order}"),
        "login": ("Kann mich nicht anmelden", "Passwort funktioniert nicht"),
        "invoice": ("Rechnung fehlt", "Rechnung zu {order}"),
        "question": ("Frage zu {product}", "Wieder lieferbar?"),
        "praise": ("Danke!", "Toller Service"),
    },
    "fr": {
        "delivery": ("Où est mon colis ?", "Commande {order} non reçue"),
        "damaged": ("Article cassé", "{product} abîmé"),
        "refund": ("Demande de remboursement", "Retour de la commande {order}"),
        "login": ("Impossible de me connecter", "Mot de passe oublié"),
        "invoice": ("Facture manquante", "Facture pour {order}"),
        "question": ("Question sur {product}", "Disponibilité"),
        "praise": ("Merci !", "Très satisfaite"),
    },
    "es": {
        "delivery": ("¿Dónde está mi pedido?", "El pedido {order} no ha llegado"),
        "damaged": ("Producto roto", "{product} llegó dañado"),
        "refund": ("Quiero la devolución", "Reembolso del pedido {order}"),
        "login": ("No puedo entrar en mi cuenta", "Contraseña"),
        "invoice": ("Necesito factura", "Factura del pedido {order}"),
        "question": ("Pregunta sobre {product}", "¿Hay existencias?"),
        "praise": ("¡Gracias!", "Muy contenta"),
    },
    "pl": {
        "delivery": ("Gdzie jest moja paczka?", "Zamówienie {order} nie dotarło"),
        "damaged": ("Uszkodzony towar", "{product} przyszedł rozbity"),
        "refund": ("Zwrot pieniędzy", "Zwrot zamówienia {order}"),
        "login": ("Nie mogę się zalogować", "Reset hasła"),
        "invoice": ("Proszę o fakturę", "Faktura do {order}"),
        "question": ("Pytanie o {product}", "Dostępność"),
        "praise": ("Dziękuję!", "Świetna obsługa"),
    },
    "th": {
        "delivery": ("พัสดุของฉันอยู่ที่ไหน", "ยังไม่ได้รับสินค้า {order}"),
        "damaged": ("สินค้าชำรุด", "{product} แตก"),
        "refund": ("ขอเงินคืน", "คืนสินค้า {order}"),
        "login": ("เข้าสู่ระบบไม่ได้", "ลืมรหัสผ่าน"),
        "invoice": ("ขอใบกำกับภาษี", "ใบเสร็จ {order}"),
        "question": ("สอบถามเรื่อง {product}", "มีของไหมคะ"),
        "praise": ("ขอบคุณค่ะ", "บริการดีมาก"),
    },
}

MATTERS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "delivery": (
            "I ordered {product} more than a week ago and the tracking page has not moved since.",
            "My order {order} should have been here on Friday. The courier says delivered, but there is nothing at my door.",
            "Could you tell me when order {order} will arrive? It is a birthday present and the party is on Saturday.",
            "The parcel with {product} seems to be stuck at the depot. Can somebody chase it?",
        ),
        "damaged": (
            "The {product} arrived in pieces. The box was crushed on one side, I can send photos.",
            "One of the items in {order} is chipped and the other is fine. I would like a replacement.",
            "I opened the parcel today and the {product} has a crack all the way down.",
        ),
        "refund": (
            "I sent {product} back two weeks ago and have not seen the money yet.",
            "Please cancel order {order} and refund me, I have found it elsewhere for less.",
            "You refunded only part of order {order}. What happened to the rest?",
        ),
        "login": (
            "The reset mail never arrives. I checked the spam folder as well.",
            "I changed my e-mail address and now the site does not know me any more.",
            "It says my account is locked after too many attempts, but it was my son on the tablet.",
        ),
        "invoice": (
            "I need a proper VAT invoice for order {order}, with the company's name on it.",
            "The invoice shows my old address. Can you correct it?",
            "Our accountant asks for the invoice of {order} again, the first one got lost.",
        ),
        "question": (
            "Is the {product} dishwasher safe? The page does not say.",
            "Do you ship {product} abroad, and what does it cost?",
            "How large is the {product} exactly? I would like to put it in a hamper.",
            "Will {product} be back before Christmas?",
        ),
        "praise": (
            "The {product} is even nicer than in the pictures, my sister loved it.",
            "Order {order} came in two days and so carefully packed. Thank you to whoever wrote the little note!",
            "I wanted to let you know how helpful the lady on the phone was.",
        ),
    },
    "bg": {
        "delivery": (
            "Поръчах {product} преди повече от седмица и още нищо не съм получил.",
            "Поръчка {order} трябваше да дойде в петък. Куриерът пише, че е доставена, но не е вярно.",
            "Кога ще пристигне {order}? Подарък е за рожден ден.",
        ),
        "damaged": (
            "{product} пристигна на парчета, кутията беше смачкана.",
            "Едно от нещата в {order} е пукнато, искам да го замените.",
        ),
        "refund": (
            "Върнах {product} преди две седмици, а парите още ги няма.",
            "Моля, откажете поръчка {order} и ми възстановете сумата.",
        ),
        "login": (
            "Писмото за нова парола не идва, проверих и в спама.",
            "Смених си имейла и сега сайтът не ме познава.",
        ),
        "invoice": (
            "Трябва ми фактура с данните на фирмата за {order}.",
            "На фактурата е старият ми адрес, може ли да се поправи?",
        ),
        "question": (
            "{product} може ли в съдомиялна?",
            "Колко голям е {product}? Не го пише на страницата.",
            "Доставяте ли {product} до Русе?",
        ),
        "praise": (
            "{product} е още по-хубав на живо, благодаря!",
            "Поръчка {order} дойде за два дни, много внимателно опакована.",
        ),
    },
    "de": {
        "delivery": (
            "ich habe {product} vor über einer Woche bestellt, die Sendungsverfolgung steht seitdem still.",
            "die Bestellung {order} soll zugestellt sein, hier ist aber nichts angekommen.",
            "wann kommt {order}? Es ist ein Geburtstagsgeschenk.",
        ),
        "damaged": (
            "{product} ist zerbrochen angekommen, der Karton war eingedrückt.",
            "ein Teil aus {order} hat einen Sprung. Bitte um Ersatz.",
        ),
        "refund": (
            "ich habe {product} vor zwei Wochen zurückgeschickt und noch kein Geld gesehen.",
            "bitte stornieren Sie {order}.",
        ),
        "login": (
            "die Mail zum Zurücksetzen kommt nie an, auch nicht im Spam.",
            "mein Konto ist gesperrt, dabei war das mein Sohn am Tablet.",
        ),
        "invoice": (
            "für {order} brauche ich eine Rechnung mit ausgewiesener Mehrwertsteuer.",
            "auf der Rechnung steht die alte Adresse.",
        ),
        "question": (
            "ist {product} spülmaschinenfest?",
            "wie groß ist {product} genau?",
            "wann gibt es {product} wieder?",
        ),
        "praise": (
            "{product} ist noch schöner als auf den Bildern!",
            "{order} war in zwei Tagen da und liebevoll verpackt.",
        ),
    },
    "fr": {
        "delivery": (
            "j'ai commandé {product} il y a plus d'une semaine et le suivi ne bouge plus.",
            "la commande {order} est indiquée comme livrée mais je n'ai rien reçu.",
        ),
        "damaged": (
            "{product} est arrivé en morceaux, le carton était écrasé.",
            "un article de {order} est fêlé, je souhaite un échange.",
        ),
        "refund": (
            "j'ai renvoyé {product} il y a quinze jours et je n'ai toujours pas été remboursée.",
            "merci d'annuler {order}.",
        ),
        "login": (
            "le mail de réinitialisation n'arrive jamais.",
            "j'ai changé d'adresse et le site ne me reconnaît plus.",
        ),
        "invoice": ("il me faut une facture avec TVA pour {order}.", "l'ancienne adresse figure sur la facture."),
        "question": ("{product} passe-t-il au lave-vaisselle ?", "quelles sont les dimensions de {product} ?"),
        "praise": ("{product} est encore plus joli en vrai.", "{order} est arrivée en deux jours, très bien emballée."),
    },
    "es": {
        "delivery": (
            "pedí {product} hace más de una semana y el seguimiento no avanza.",
            "el pedido {order} figura como entregado y no es cierto.",
        ),
        "damaged": ("{product} llegó hecho pedazos.", "un artículo de {order} tiene una grieta, quiero un cambio."),
        "refund": ("devolví {product} hace dos semanas y no he visto el dinero.", "cancelen {order}, por favor."),
        "login": ("el correo para cambiar la contraseña no llega.", "cambié de dirección y la web ya no me reconoce."),
        "invoice": ("necesito factura con IVA de {order}.", "en la factura aparece mi dirección antigua."),
        "question": ("¿{product} es apto para lavavajillas?", "¿cuánto mide {product} exactamente?"),
        "praise": ("{product} es aún más bonito que en las fotos.", "{order} llegó en dos días, muy bien envuelto."),
    },
    "pl": {
        "delivery": (
            "zamówiłam {product} ponad tydzień temu i śledzenie stoi w miejscu.",
            "zamówienie {order} ma status doręczone, a nic nie dostałem.",
        ),
        "damaged": (
            "{product} przyszedł w kawałkach, karton był zgnieciony.",
            "jedna rzecz z {order} jest pęknięta, proszę o wymianę.",
        ),
        "refund": ("odesłałam {product} dwa tygodnie temu i nadal nie ma pieniędzy.", "proszę anulować {order}."),
        "login": (
            "mail z resetem hasła nie przychodzi, w spamie też nie ma.",
            "konto jest zablokowane, a to syn na tablecie.",
        ),
        "invoice": ("potrzebuję faktury VAT do {order}.", "na fakturze jest stary adres."),
        "question": ("czy {product} można myć w zmywarce?", "jakie dokładnie wymiary ma {product}?"),
        "praise": (
            "{product} jest jeszcze ładniejszy niż na zdjęciach.",
            "{order} dotarło w dwa dni, pięknie zapakowane.",
        ),
    },
    "th": {
        "delivery": ("สั่ง {product} ไปเกินหนึ่งสัปดาห์แล้ว ยังไม่ได้รับของเลย", "ระบบแจ้งว่า {order} จัดส่งแล้ว แต่ไม่มีใครมาส่ง"),
        "damaged": ("{product} แตกตอนแกะกล่อง กล่องบุบมาก", "ของชิ้นหนึ่งใน {order} ร้าว ขอเปลี่ยนชิ้นใหม่"),
        "refund": ("ส่งคืน {product} ไปสองสัปดาห์แล้วยังไม่ได้เงินคืน", "ขอยกเลิก {order} และขอเงินคืน"),
        "login": ("ไม่ได้รับอีเมลตั้งรหัสผ่านใหม่", "เปลี่ยนอีเมลแล้วเข้าระบบไม่ได้"),
        "invoice": ("ขอใบกำกับภาษีของ {order}", "ที่อยู่ในใบเสร็จเป็นที่อยู่เก่า ช่วยแก้ไขด้วย"),
        "question": ("{product} เข้าเครื่องล้างจานได้ไหม", "{product} ขนาดเท่าไหร่", "ส่ง {product} ไปเชียงใหม่กี่วัน"),
        "praise": ("{product} สวยกว่าในรูปอีก ขอบคุณมาก", "{order} ส่งเร็วมาก แพ็คดี"),
    },
}

GREETINGS: dict[str, tuple[str, ...]] = {
    "en": ("Hi,", "Hello,", "Dear team,", "hey", "Good morning,", ""),
    "bg": ("Здравейте,", "Добър ден,", "Здрасти,", ""),
    "de": ("Hallo,", "Guten Tag,", "Sehr geehrte Damen und Herren,", ""),
    "fr": ("Bonjour,", "Madame, Monsieur,", ""),
    "es": ("Hola,", "Buenos días,", ""),
    "pl": ("Dzień dobry,", "Witam,", ""),
    "th": ("สวัสดีค่ะ", "สวัสดีครับ", ""),
}
URGING: dict[str, tuple[str, ...]] = {
    "en": ("This is urgent!", "Please answer ASAP.", "I need this by tomorrow.", "This is the third time I write."),
    "bg": ("Спешно е!", "Моля, отговорете веднага.", "Трябва ми до утре."),
    "de": ("Es ist dringend!", "Bitte um schnelle Antwort.", "Ich schreibe schon zum dritten Mal."),
    "fr": ("C'est urgent !", "Merci de répondre au plus vite."),
    "es": ("¡Es urgente!", "Contesten cuanto antes."),
    "pl": ("To pilne!", "Proszę o szybką odpowiedź."),
    "th": ("ด่วนมาก", "รบกวนตอบด่วนค่ะ"),
}
CLOSES: dict[str, tuple[str, ...]] = {
    "en": ("Thanks, {name}", "Best wishes\n{name}", "Kind regards, {name}", "cheers", "{name}", ""),
    "bg": ("Поздрави, {name}", "Благодаря", "{name}", ""),
    "de": ("Viele Grüße, {name}", "Mit freundlichen Grüßen\n{name}", "Danke!", ""),
    "fr": ("Cordialement, {name}", "Merci d'avance", "{name}"),
    "es": ("Un saludo, {name}", "Gracias", ""),
    "pl": ("Pozdrawiam, {name}", "Dziękuję", ""),
    "th": ("ขอบคุณค่ะ", "ขอบคุณครับ {name}", ""),
}
MORE: dict[str, tuple[str, ...]] = {
    "en": (
        "Any news on this?",
        "Thanks, that works now.",
        "I attached two photos.",
        "No, that is not what I asked for.",
        "Perfect, thank you!",
    ),
    "bg": ("Има ли развитие?", "Благодаря, вече е наред.", "Прикачам снимки."),
    "de": ("Gibt es etwas Neues?", "Danke, jetzt klappt es.", "Fotos anbei."),
    "fr": ("Des nouvelles ?", "Merci, c'est réglé.", "Photos en pièce jointe."),
    "es": ("¿Hay novedades?", "Gracias, ya funciona."),
    "pl": ("Czy coś wiadomo?", "Dziękuję, już działa."),
    "th": ("มีความคืบหน้าไหมคะ", "ได้แล้ว ขอบคุณค่ะ"),
}
ANSWERS = (
    "Thank you for writing to us. I have looked into it and asked the warehouse; I will come back to you today.",
    "I am sorry about that. A replacement is on its way, you do not need to send anything back.",
    "The refund has been issued and should be on your account within five working days.",
    "I have reset your account, please try again with the link we have just sent.",
    "The corrected invoice is attached.",
    "Lovely to hear, I have passed it on to the team!",
)
NOTES = (
    "Called the courier, case opened.",
    "Customer is a regular, be generous.",
    "Same as last week's batch, tell purchasing.",
)


def message(
    topic: str, language: str, order: str, product: str, name: str, chance: Random, *, urgent: bool
) -> tuple[str, str]:
    """A subject and a body as a customer would write them. Topics: `TOPICS`; languages: those of the locales."""
    values = {"order": order, "product": product, "name": name}
    subject = chance.choice(SUBJECTS[language][topic]).format(**values)
    parts = [chance.choice(GREETINGS[language]), chance.choice(MATTERS[language][topic])]
    if chance.random() < 0.3:
        parts.append(chance.choice(MATTERS[language][topic]))
    if urgent:
        parts.append(chance.choice(URGING[language]))
    parts.append(chance.choice(CLOSES[language]))
    body = "\n".join(dict.fromkeys(part for part in parts if part)).format(**values)
    return subject, body.lower() if chance.random() < 0.05 else body
