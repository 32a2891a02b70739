from auth_service.domain.email import EmailAddress
from auth_service.storage.users import find_user_id
from auth_service.usecases.request_mail import Mail, request_mail
from common.ids import NewId
from common.postgres.engine import Database


async def ask_for_link(database: Database, email: EmailAddress, mail: Mail, *, new_id: NewId) -> None:
    """Two statements, the same for every address: whether there is an account is found out by the job.

    An unknown address asks as a random user, whose job finds nobody and sends nothing.
    """
    user_id = await find_user_id(database, email_norm=email.compared) or new_id()
    async with database.transaction(as_user=user_id) as tx:
        await request_mail(tx, mail, user_id=user_id, about=new_id())
