"""Names by which columns and files are recognised, without case, blanks and punctuation; earlier ones win."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


USER = _words("""
    userid user uid userno useridx customerid customer custid memberid member reviewerid accountid visitorid clientid
    buyerid profileid personid subscriberid shopperid playerid readerid username sessionid
""")
ITEM = _words("""
    itemid item iid movieid movie productid product parentasin asin sku skuid articleid trackid songid artistid bookid
    isbn gameid appid videoid contentid listingid businessid newsid recipeid storeid goodsid courseid
""")
TIMESTAMP = _words("""
    timestamp time ts eventtime eventtimestamp datetime date eventdate unixtime unixreviewtime unix unixtimestamp epoch
    createdat created purchasedat purchasedate orderdate orderedat reviewtime reviewdate viewedat watchedat occurredat
    tdat
""")
RATING = _words("rating ratings score stars star rate overall reviewscore userrating reviewrating")
TITLE = _words("title name movietitle itemtitle itemname productname producttitle booktitle trackname prodname")
YEAR = _words("releaseyear year")
CATEGORIES = _words("genres genre categories category class tags tag maincat topics")
LOG_FILES = _words("""
    interactions interaction ratings rating events event log logs transactions clicks purchases orders reviews views
    plays history train
""")
ITEM_FILES = _words("items item movies movie products product articles catalog catalogue books songs tracks metadata")
USER_FILES = _words("users user customers customer members profiles accounts subscribers readers")
# Columns of a user table that identify people: never read, since a model has no use for them.
PERSONAL = _words("""
    zip zipcode postcode postalcode address street streetaddress email emailaddress mail phone phonenumber telephone
    mobile name fullname firstname lastname surname givenname familyname middlename username nickname login password
    passwd ip ipaddress ssn birthdate dateofbirth dob birthday latitude longitude iban
""")
MOVIELENS_USERS = {"u.data": "u.user", "ratings.dat": "users.dat"}  # log -> users
MOVIELENS_FILES = {"u.data": "u.item", "ratings.dat": "movies.dat", "ratings.csv": "movies.csv"}  # log -> items
OTHER_FILES = _words("readme license licence sha256sums md5sums checksums changelog notice")
MOVIELENS_GENRES = _words("""
    unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror Musical
    Mystery Romance Sci-Fi Thriller War Western
""")
